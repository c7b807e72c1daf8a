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
    this.body = el("tbody");
    this.note = el("p", { class: "soft" });
    this.heads = COLUMNS.map(([key, title, kind]) => el("th", { scope: "col", "data-kind": kind },
      el("button", { type: "button", on: { click: () => this.sort(key) } }, title)));
    panel.append(
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Steps and their counts" },
        el("table", {}, el("thead", {}, el("tr", {}, this.heads)), this.body)),
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
  return el("tr", { "data-step": step.name },
    el("th", { scope: "row" }, step.name, el("span", { class: "soft" }, ` ${step.plugin}`),
      step.holds_gil ? el("span", { class: "badge", "data-status": "timed_out", title: step.stalled_at || null },
        "parallel in name only") : null),
    el("td", {}, step.kind),
    el("td", { "data-kind": "number" }, step.count.toLocaleString("en")),
    el("td", { "data-kind": "number", "data-bad": step.errors > 0 }, step.errors.toLocaleString("en")),
    el("td", { "data-kind": "ms" }, ms(step.p50_ms)),
    el("td", { "data-kind": "ms" }, ms(step.p95_ms)),
    el("td", { "data-kind": "ms" }, ms(step.p99_ms)),
    el("td", { "data-kind": "number", "data-bad": step.stalls > 0, title: step.stalled_at || null },
      step.stalls ? `${step.stalls.toLocaleString("en")}, worst ${ms(step.worst_stall_ms)}` : "0"));
}
