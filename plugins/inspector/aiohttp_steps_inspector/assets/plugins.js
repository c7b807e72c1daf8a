// The plugins: what is registered, and what could not be loaded and why.

import { el } from "./dom.js";

/** The panel of plugins. */
export class Plugins {
  constructor(panel) {
    this.panel = panel;
  }

  set({ plugins, failures }) {
    this.panel.replaceChildren(
      ...failures.map(drawFailure),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Plugins" },
        el("table", {},
          el("thead", {}, el("tr", {}, ["Plugin", "Distribution", "Version", "Steps"].map((title) =>
            el("th", { scope: "col" }, title)))),
          el("tbody", {}, plugins.map(drawRow)))));
  }
}

function drawRow(plugin) {
  return el("tr", { "data-plugin": plugin.name },
    el("th", { scope: "row" }, plugin.name),
    el("td", {}, plugin.distribution ?? "–"),
    el("td", {}, plugin.version ?? "–"),
    el("td", { class: "wide" }, plugin.steps.join(", ") || "–"));
}

function drawFailure(failure) {
  const from = failure.distribution ? ` of ${failure.distribution} ${failure.version ?? ""}` : "";
  return el("article", { class: "failure", "data-plugin": failure.name },
    el("h2", {}, `${failure.name} could not be loaded`),
    el("p", { class: "fault" }, el("strong", {}, `${failure.error.kind}: `), failure.error.message),
    el("p", { class: "soft" }, "Entry point ", el("code", {}, failure.target), from),
    el("details", {}, el("summary", {}, "Traceback"),
      el("pre", { tabindex: "0", role: "region", "aria-label": `Traceback of ${failure.name}` }, failure.traceback)));
}
