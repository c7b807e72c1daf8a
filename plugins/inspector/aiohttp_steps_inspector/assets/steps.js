// The steps: how often, how long, with what faults.

import { el, ms } from "./dom.js";

const COLUMNS = [
  ["name", "Step", "text"],
  ["kind", "Class", "text"],
  ["count", "Runs", "number"],
  ["errors", "Errors", "number"],
  ["p50_ms", "p50", "ms"],
  ["p95_ms", "p95", "ms"],
  ["p99_ms", "p99", "ms"],
  ["stalls", "Loop stalls", "number"],
];

/** The panel of steps. */
export class Steps {
  constructor(panel) {
    this.panel = panel;
    this.steps = [];
    this.order = null;
    this.body = el("tbody", { role: "rowgroup" });
    this.note = el("p", { class: "soft" });
    this.heads = COLUMNS.map(([key, title, kind]) => el("th", { role: "columnheader", scope: "col", "data-kind": kind },
      el("button", { type: "button", on: { click: () => this.sort(key) } }, title)));
    panel.append(
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Steps and their counts" },
        el("table", { role: "table" },
          el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, this.heads)), this.body)),
      this.note);
    this.rows = new Map();
  }

  sort(key) {
    this.order = this.order?.key === key ? { key, down: !this.order.down } : { key, down: key !== "name" && key !== "kind" };
    this.draw();
  }

  set({ steps, unnamed_stalls: unnamed }) {
    this.steps = steps;
    this.unnamed = unnamed;
    if (!this.panel.hidden) this.draw();
  }

  draw() {
    COLUMNS.forEach(([key], at) => {
      const sorted = this.order?.key === key ? (this.order.down ? "descending" : "ascending") : null;
      if (sorted) this.heads[at].setAttribute("aria-sort", sorted);
      else this.heads[at].removeAttribute("aria-sort");
    });
    this.body.replaceChildren(...this.sorted().map(drawRow));
    this.note.replaceChildren(
      "Percentiles of the time that each step ran, over its last 1,000 runs at most.",
      this.unnamed ? ` Besides, the event loop stalled ${this.unnamed} times while no step was known to hold it.` : "");
  }

  sorted() {
    if (!this.order) return this.steps;
    const { key, down } = this.order;
    const of = (step) => step[key] ?? -1;
    const compare = (a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0);
    return this.steps.toSorted((a, b) => (down ? -compare(a, b) : compare(a, b)));
  }
}

function drawRow(step) {
  const cell = (at, attributes, ...children) =>
    el("td", { role: "cell", "data-label": COLUMNS[at][1], "data-kind": COLUMNS[at][2], ...attributes }, ...children);
  return el("tr", { role: "row", "data-step": step.name },
    el("th", { role: "rowheader", scope: "row" }, step.name, el("span", { class: "soft" }, ` ${step.plugin}`, el("span", { class: "phone" }, `, ${step.kind}`)),
      step.holds_gil ? el("span", { class: "badge", "data-status": "timed_out", title: step.stalled_at || null },
        "parallel in name only") : null),
    cell(1, {}, step.kind),
    cell(2, {}, step.count.toLocaleString("en")),
    cell(3, { "data-bad": step.errors > 0 }, step.errors.toLocaleString("en")),
    cell(4, {}, ms(step.p50_ms)),
    cell(5, {}, ms(step.p95_ms)),
    cell(6, {}, ms(step.p99_ms)),
    cell(7, { "data-bad": step.stalls > 0, title: step.stalled_at || null },
      step.stalls ? `${step.stalls.toLocaleString("en")}, worst ${ms(step.worst_stall_ms)}` : "0"));
}
