// A run as a waterfall. Lengths are ratios of two numbers in CSS, the time and the axis that a container
// carries: to change the axis of many runs is to change one property.

import { el, ms } from "./dom.js";
import { mark, word } from "./marks.js";

const PARTS = [["idle", "idle_ms"], ["queue", "queue_ms"], ["lock", "lock_ms"], ["run", "run_ms"]];
const PART_WORDS = { idle: "held back by its tier", queue: "waited in a queue", lock: "waited for a lock", run: "ran" };
const TICKS = 8;
const SEEN = 0.002; // of a run: a shorter wait is not drawn

/** Return where an axis of at least `longest` milliseconds ends, and its ticks. */
export function layOut(longest) {
  const rough = Math.max(longest, 0.001) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const number = Math.ceil(longest / step - 0.001) || 1;
  return { end: number * step, ticks: Array.from({ length: number + 1 }, (_, at) => at * step) };
}

/** Make an axis with its labels. Set on a container with `scale`. */
export function drawAxis({ end, ticks }) {
  return el("div", { class: "axis line", "aria-hidden": "true" },
    el("span", { class: "name" }),
    el("div", { class: "track" }, ticks.map((tick) =>
      el("span", { class: "tick", "data-edge": tick === 0 ? "start" : tick === end ? "end" : null, vars: { at: tick } },
        tick === 0 ? "0" : ms(tick).replace(/\.0+ | (?=s)/, " ")))),
    el("span", { class: "figure" }));
}

/** Let a container's waterfalls run along an axis. */
export function scale(container, { end, ticks }) {
  container.style.setProperty("--axis", end);
  container.style.setProperty("--ticks", ticks.length - 1);
}

/** Make a waterfall; its container has to be scaled. */
export function drawWaterfall(run) {
  return el("div", { class: "waterfall", role: "img", "aria-label": describe(run) }, run.steps.map((step) => drawLine(step, run.wall_ms)));
}

function drawLine(step, wall) {
  const status = step.shared && step.status === "succeeded" ? "shared" : step.status;
  const bare = status === "succeeded";
  return el("div", { class: "line", "data-step": step.name, "data-status": step.status,
    "data-shared": step.shared, "data-critical": step.critical, title: tell(step) },
    el("span", { class: "name" }, mark(status), el("span", { class: "cut" }, step.name)),
    el("div", { class: "track" }, drawParts(step, wall)),
    el("span", { class: "figure" }, bare ? null : el("span", { class: "word" }, word(status)),
      step.run_ms === null ? null : ms(step.run_ms)));
}

function drawParts(step, wall) {
  if (step.at_ms === null) return [];
  let at = step.at_ms;
  const parts = [];
  for (const [part, key] of PARTS) {
    const length = step[key];
    if (length === null) continue;
    if (part === "run" || length > wall * SEEN) {
      parts.push(el("span", { class: "part", "data-part": part, vars: { at, for: length } }));
    }
    at += length;
  }
  if (step.run_ms === null) parts.push(el("span", { class: "part", "data-part": "never", vars: { at, for: 0 } }));
  return parts;
}

/** Say in words what a step's line shows. */
export function tell(step) {
  const parts = PARTS.filter(([, key]) => step[key] > 0).map(([part, key]) => `${PART_WORDS[part]} ${ms(step[key])}`);
  const notes = [step.shared && "shared a run of another request", step.critical && "on the critical path",
    step.attempts > 1 && `${step.attempts} attempts`].filter(Boolean);
  return `${step.name}: ${[word(step.status), ...parts, ...notes].join(", ")}`;
}

function describe(run) {
  return `Waterfall of ${ms(run.wall_ms)}. ${run.steps.map(tell).join(". ")}`;
}

/** Make the key to what is drawn. */
export function drawLegend() {
  const part = (name, text, more = {}) => el("li", {},
    el("span", { class: "sample", "data-status": "succeeded", ...more },
      el("span", { class: "part", "data-part": name })), text);
  const status = (name, text = word(name)) => el("li", {}, mark(name), text);
  return el("details", { class: "legend" },
    el("summary", {}, "Key"),
    el("ul", {},
      part("run", "runs"), part("run", "runs, on the critical path", { "data-critical": true }),
      part("queue", "waits in a queue"), part("lock", "waits for a lock"), part("idle", "idle: held back by its tier"),
      part("run", "shared: waits for another request's run", { "data-shared": true }),
      status("succeeded"), status("failed"), status("timed_out"), status("skipped"), status("cancelled"),
      status("not_started"), status("shared", "shared")));
}
