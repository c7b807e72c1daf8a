// The views: their plans as graphs, and a form to run each of them.

import { ask } from "./api.js";
import { el, ms, rove } from "./dom.js";
import { drawGraph } from "./graph.js";
import { word } from "./marks.js";
import { drawRun } from "./run.js";
import { drawLegend, layOut } from "./waterfall.js";

const WAYS = [["parallel", "In parallel", false], ["sequential", "One after another", true]];

/** The panel of views. */
export class Views {
  constructor(panel) {
    this.panel = panel;
    this.views = [];
    this.name = null;
  }

  /** Show these views; the one that is open stays as it is if nothing about it has changed. */
  setViews(views) {
    if (JSON.stringify(views) === JSON.stringify(this.views) && this.panel.firstChild) return;
    this.views = views;
    if (!views.some((view) => view.name === this.name)) this.name = views[0]?.name ?? null;
    this.draw();
  }

  draw() {
    const view = this.views.find((one) => one.name === this.name);
    if (!view) {
      this.panel.replaceChildren(el("div", { class: "empty" },
        el("p", {}, "There are no views: no step has joined one. Install step plugins, say aiohttp-steps-git.")));
      return;
    }
    const choice = el("div", { class: "choice", role: "group", "aria-label": "View" }, this.views.map((one) =>
      el("button", { type: "button", "aria-pressed": String(one === view), tabindex: one === view ? "0" : "-1",
        on: { click: () => this.choose(one.name) } }, one.name)));
    rove(choice, "button");
    this.panel.replaceChildren(choice, view.fault ? this.drawFault(view) : this.drawView(view));
  }

  choose(name) {
    this.name = name;
    this.draw();
    this.panel.querySelector("[aria-pressed=true]").focus();
  }

  drawFault(view) {
    return el("article", {}, el("h2", {}, view.name), el("p", { class: "fault" }, view.fault));
  }

  drawView(view) {
    this.status = el("p", { class: "note", role: "status" });
    this.results = el("div", { class: "results" });
    return el("article", {},
      el("h2", {}, view.name, el("span", { class: "badge plain" }, view.writes ? "may write" : "only reads")),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Plan of ${view.name}` }, drawGraph(view)),
      el("p", { class: "soft" }, "Round: parallel. Square: sequential. With a lock: exclusive. Double: gate. Dashed border: optional. ",
        "An arrow: takes the result. A dashed one: an order that was declared."),
      drawReasons(view),
      this.drawForm(view),
      this.status,
      this.results);
  }

  drawForm(view) {
    const settable = view.inputs.filter((input) => input.settable);
    const fixed = view.inputs.filter((input) => !input.settable);
    const form = el("form", { class: "order", on: { submit: (event) => {
      event.preventDefault();
      this.run(view, form, event.submitter?.value ?? "parallel");
    } } },
      el("h3", {}, "Run it"),
      settable.map(drawInput),
      fixed.length ? el("p", { class: "soft" }, `Given by the application: ${fixed.map((input) => input.name).join(", ")}.`) : null,
      view.writes ? el("label", { class: "confirm" },
        el("input", { type: "checkbox", name: "confirmed", required: true }),
        " This view may change something. I mean to run it; side by side it runs twice.") : null,
      el("div", { class: "actions" },
        el("button", { class: "primary", value: "both" }, "Run both, side by side"),
        el("button", { value: "parallel" }, "In parallel"),
        el("button", { value: "sequential" }, "One after another")));
    return form;
  }

  async run(view, form, which) {
    const inputs = {};
    for (const field of form.querySelectorAll("[data-input]")) {
      if (field.value !== "") inputs[field.dataset.input] = field.value;
    }
    const ways = WAYS.filter(([name]) => which === "both" || name === which);
    const buttons = form.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    this.status.textContent = "Running";
    this.results.replaceChildren();
    try {
      const runs = [];
      for (const [, title, sequential] of ways) {
        const run = await ask("run", { view: view.name, inputs, sequential, confirmed: Boolean(form.elements.confirmed?.checked) });
        runs.push({ title, run });
      }
      this.results.replaceChildren(...drawResults(runs));
      this.status.textContent = `Done: ${runs.map(({ run }) => word(run.state)).join(", ")}`;
    } catch (error) {
      this.status.textContent = "";
      this.results.replaceChildren(el("p", { class: "fault", role: "alert" }, error.message));
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }
}

function drawInput(input) {
  const id = `input-${input.name}`;
  return el("div", { class: "field" },
    el("label", { for: id }, input.name, el("span", { class: "soft" }, ` ${input.type}${input.required ? ", required" : ""}`)),
    el("input", { id, "data-input": input.name, required: input.required, autocomplete: "off", spellcheck: "false",
      placeholder: input.default ?? "", "aria-describedby": input.help ? `${id}-help` : null }),
    input.help ? el("p", { class: "soft", id: `${id}-help` }, input.help) : null);
}

function drawReasons(view) {
  return el("details", {},
    el("summary", {}, "Why each step stands where it stands"),
    el("dl", { class: "reasons" }, view.steps.map((step) => [
      el("dt", {}, step.name, el("span", { class: "soft" }, ` of ${step.plugin}`)),
      step.explanation.map((reason) => el("dd", {}, reason))])));
}

function drawResults(runs) {
  const axis = layOut(Math.max(...runs.map(({ run }) => run.wall_ms), 0.01));
  return [
    el("h3", {}, runs.length === 2 ? compare(runs[0].run.wall_ms, runs[1].run.wall_ms) : "Result"),
    el("div", { class: "beside" }, runs.map(({ title, run }) =>
      el("section", { class: "result", "data-way": run.sequential ? "sequential" : "parallel" },
        el("h4", {}, title), ...drawRun(run, { axis, isResult: true })))),
    drawLegend(),
  ];
}

function compare(parallel, sequential) {
  const share = Math.round((1 - parallel / sequential) * 100);
  const difference = share === 0 ? "no difference" : share > 0 ? `${share} % less` : `${-share} % more`;
  return `In parallel ${ms(parallel)}, one after another ${ms(sequential)}: ${difference}`;
}
