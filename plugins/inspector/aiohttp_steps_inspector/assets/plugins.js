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
        el("table", { role: "table" },
          el("thead", { role: "rowgroup" }, el("tr", { role: "row" },
            ["Plugin", "Distribution", "Version", "Steps"].map((title) =>
              el("th", { role: "columnheader", scope: "col" }, title)))),
          el("tbody", { role: "rowgroup" }, plugins.map(drawRow)))));
  }
}

function drawRow(plugin) {
  const cell = (label, attributes, text) => el("td", { role: "cell", "data-label": label, ...attributes }, text);
  return el("tr", { role: "row", "data-plugin": plugin.name },
    el("th", { role: "rowheader", scope: "row" }, plugin.name),
    cell("Distribution", {}, plugin.distribution ?? "registered by the app"),
    cell("Version", {}, plugin.version ?? "–"),
    cell("Steps", { class: "wide" }, plugin.steps.join(", ") || "–"));
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
