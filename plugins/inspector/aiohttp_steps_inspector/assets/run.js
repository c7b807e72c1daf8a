// One run in full: how it ended, its waterfall, and each step with its times, error and explanation.

import { ask, save } from "./api.js";
import { count, el, ms } from "./dom.js";
import { badge, mark, word } from "./marks.js";
import { drawAxis, drawLegend, drawWaterfall, layOut, scale } from "./waterfall.js";

const dialog = document.getElementById("run");

/** Open a run in the dialog, and say in the address that it is open. */
export async function openRun(id) {
  const close = el("button", { type: "button", class: "close", on: { click: () => dialog.close() } }, "Close");
  const title = el("h2", { id: "run-title" }, `Run ${id}`);
  const head = el("header", {}, title, close);
  dialog.replaceChildren(head, el("p", { class: "note" }, "Loading"));
  if (!dialog.open) dialog.showModal();
  try {
    const run = await ask(`runs/${id}`);
    title.replaceChildren(run.view ?? "a handler's own steps", el("small", {}, ` run ${run.id}`));
    const trace = el("button", { type: "button", on: { click: () => save(`trace?run=${run.id}`) } }, "Save trace of this run");
    dialog.replaceChildren(head, ...drawRun(run), el("footer", {}, trace));
  } catch (error) {
    dialog.replaceChildren(head, el("p", { class: "fault", role: "alert" }, error.message));
  }
}

dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

/** Make the parts of a run's page. With `axis`, along that and not its own; a result begins with its waterfall. */
export function drawRun(run, { axis = layOut(run.wall_ms), isResult = false } = {}) {
  const figure = el("div", { class: "scaled own" }, drawAxis(axis), drawWaterfall(run));
  scale(figure, axis);
  return [
    ...(isResult ? [figure, drawFacts(run)] : [drawFacts(run), figure, drawLegend()]),
    run.inputs && Object.keys(run.inputs).length ? drawInputs(run.inputs) : null,
    el(isResult ? "h5" : "h3", {}, "Steps in the order of the plan"),
    el("ol", { class: "steps" }, run.steps.map((step) => el("li", {}, drawStep(step)))),
  ].filter(Boolean);
}

function drawFacts(run) {
  const facts = [
    ["took", ms(run.wall_ms)],
    ["one after another", ms(run.sum_ms)],
    ["critical path", ms(run.critical_ms)],
    ["held back by tiers", ms(run.idle_ms)],
  ];
  return el("div", { class: "facts" },
    badge(run.state),
    run.sequential ? el("span", { class: "badge plain" }, "one step after another") : null,
    el("dl", {}, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    run.critical_path.length
      ? el("p", { class: "path" }, "Critical path: ", el("strong", {}, run.critical_path.join(" → "))) : null);
}

function drawInputs(inputs) {
  return el("details", {},
    el("summary", {}, "Inputs"),
    Object.entries(inputs).map(([name, value]) => [el("p", {}, el("strong", {}, name)), block(value, `Value of input ${name}`)]));
}

function drawStep(step) {
  const status = step.shared && step.status === "succeeded" ? "shared" : step.status;
  const isOpen = step.error !== null && step.status !== "skipped";
  return el("details", { class: "step", open: isOpen, "data-step": step.name },
    el("summary", {},
      el("span", { class: "badge", "data-status": status }, mark(status), el("strong", {}, step.name)),
      el("span", { class: "word" }, step.shared ? `${word(step.status)}, shared` : word(step.status)),
      el("span", { class: "figure" }, step.run_ms === null ? "" : ms(step.run_ms))),
    step.error === null ? null : el("p", { class: "fault" },
      el("strong", {}, `${step.error.kind}: `), step.error.message),
    el("ul", { class: "reasons" }, step.explanation.map((reason) => el("li", {}, reason))),
    el("p", { class: "soft" }, tellTimes(step)),
    el("p", { class: "soft" }, `${step.required ? "required" : "optional"}, ${step.kind}, runner ${step.runner}, of `,
      `${step.plugin}, `, el("code", { title: step.location }, shorten(step.location))),
    step.value === null || step.value === undefined ? null : block(step.value, `Value of ${step.name}`));
}

/** Leave out of a path what is the same for all files of an application. */
function shorten(path) {
  const parts = path.split(/[\\/]/);
  return parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : path;
}

function tellTimes(step) {
  const parts = [["held back by its tier", step.idle_ms], ["in a queue", step.queue_ms], ["waiting for a lock", step.lock_ms]]
    .filter(([, value]) => value > 0).map(([name, value]) => `${ms(value)} ${name}`);
  if (step.run_ms !== null) parts.push(`${ms(step.run_ms)} running`);
  if (step.attempts > 1) parts.push(count(step.attempts, "attempt"));
  if (step.critical) parts.push("on the critical path");
  if (step.gain_ms > 0) {
    const would = step.kind === "parallel" ? "being parallel saves about" : "being parallel would save about";
    parts.push(`${would} ${ms(step.gain_ms)}`);
  }
  return parts.join(" · ");
}

function block(text, label) {
  return el("pre", { tabindex: "0", role: "region", "aria-label": label }, text);
}
