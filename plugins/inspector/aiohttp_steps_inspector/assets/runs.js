// The list of the last runs, the newest first, on one axis.

import { count, el, ms, rove } from "./dom.js";
import { mark, word } from "./marks.js";
import { openRun } from "./run.js";
import { drawAxis, drawLegend, drawWaterfall, layOut, scale } from "./waterfall.js";

const MOST_DRAWN = 30;

/** The panel of runs. */
export class Runs {
  constructor(panel) {
    this.runs = [];
    this.most = 200;
    this.isPaused = false;
    this.drawn = new Map();
    this.view = el("select", { id: "filter-view", on: { change: () => this.draw() } });
    this.faults = el("input", { type: "checkbox", id: "filter-faults", on: { change: () => this.draw() } });
    this.own = el("input", { type: "checkbox", id: "own-axis", on: { change: () => this.draw() } });
    this.axis = el("div", { class: "common" });
    this.list = el("ol", { class: "runs", "aria-label": "Last runs, the newest first" });
    this.empty = el("div", { class: "empty" });
    panel.append(
      el("div", { class: "bar" },
        el("label", { for: "filter-view" }, "View ", this.view),
        el("label", { for: "filter-faults" }, this.faults, " only runs with faults"),
        el("label", { for: "own-axis" }, this.own, " an axis for each run"),
        drawLegend()),
      this.empty,
      this.scaled = el("div", { class: "scaled" }, this.axis, this.list));
    rove(this.list, ".open", { vertical: true });
    this.setViews([]);
  }

  /** Say which views there are to choose from. */
  setViews(names) {
    const chosen = this.view.value;
    this.view.replaceChildren(el("option", { value: "" }, "all"),
      ...names.map((name) => el("option", { value: name }, name)));
    this.view.value = names.includes(chosen) ? chosen : "";
  }

  /** Take runs in, the earliest first; those of another life of the application are no neighbours. */
  add(runs, life) {
    if (!runs.length && life === this.life) return;
    if (life !== this.life) this.runs = [];
    this.life = life;
    this.runs = [...runs.toReversed(), ...this.runs].slice(0, this.most);
    if (!this.isPaused) this.draw();
  }

  /** Stop or go on following what comes. */
  pause(isPaused) {
    this.isPaused = isPaused;
    this.draw();
  }

  draw() {
    const shown = this.runs.filter((run) => (!this.view.value || run.view === this.view.value)
      && (!this.faults.checked || run.state !== "completed")).slice(0, MOST_DRAWN);
    const wanted = new Set(shown.map((run) => run.id));
    const held = document.activeElement?.closest?.(".run");
    for (const [id, item] of this.drawn) {
      if (wanted.has(id) && item.run === shown.find((run) => run.id === id)) continue;
      item.element.remove();
      this.drawn.delete(id);
    }
    let before = this.list.firstChild;
    for (const run of shown) {
      let item = this.drawn.get(run.id);
      if (!item) this.drawn.set(run.id, item = { run, element: this.drawItem(run) });
      if (item.element === before) before = before.nextSibling;
      else this.list.insertBefore(item.element, before);
    }
    this.scaleAll(shown);
    const buttons = [...this.list.querySelectorAll(".open")];
    const current = buttons.find((button) => button.tabIndex === 0 && button === document.activeElement) ?? buttons[0];
    for (const button of buttons) button.tabIndex = button === current ? 0 : -1;
    if (held && !held.isConnected) current?.focus();
    this.tellEmpty(shown);
  }

  scaleAll(shown) {
    const common = layOut(Math.max(...shown.map((run) => run.wall_ms), 0.1));
    scale(this.scaled, common);
    this.axis.replaceChildren(...(shown.length && !this.own.checked ? [drawAxis(common)] : []));
    for (const { run, element } of this.drawn.values()) {
      const body = element.querySelector(".body");
      element.querySelector(".axis")?.remove();
      body.style.removeProperty("--axis");
      body.style.removeProperty("--ticks");
      if (this.own.checked) {
        const axis = layOut(run.wall_ms);
        scale(body, axis);
        body.prepend(drawAxis(axis));
      }
    }
  }

  drawItem(run) {
    const at = new Date(run.ended_at * 1000);
    const name = run.view ?? "a handler's own steps";
    return el("li", { class: "run", "data-run": run.id, "data-state": run.state },
      el("button", { type: "button", class: "open", "aria-haspopup": "dialog", tabindex: "-1",
        on: { click: () => openRun(run.id) } },
        mark(run.state), el("strong", {}, name), el("span", { class: "soft" }, ` ${run.id}`),
        run.state === "completed" ? null : el("span", { class: "badge", "data-status": run.state }, word(run.state)),
        run.sequential ? el("span", { class: "badge plain" }, "one after another") : null,
        el("span", { class: "took" }, ms(run.wall_ms)),
        el("time", { class: "soft", datetime: at.toISOString() }, at.toLocaleTimeString())),
      el("div", { class: "body" }, drawWaterfall(run)));
  }

  tellEmpty(shown) {
    this.scaled.hidden = !shown.length;
    this.empty.hidden = Boolean(shown.length);
    this.empty.replaceChildren(
      this.runs.length
        ? el("p", {}, `None of the last ${count(this.runs.length, "run")} is like that.`)
        : el("p", {}, "No run yet. Ask for a route that has steps, or run a view from the tab Views."));
  }
}
