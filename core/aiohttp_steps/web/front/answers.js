// Draws what the server answered: a card for each step, times as bars, problems.

import { make, mark } from "./elements.js";
import { drawValue, isWide } from "./values.js";

/** Draw an answer, as `askView` gives it. */
export function drawAnswer(answer, onretry) {
  switch (answer.kind) {
    case "report":
      return drawReport(answer.report, answer.steps);
    case "problem":
      return [drawProblem(answer.problem)];
    case "unreachable":
      return [make("div", { class: "alert", role: "alert" },
        make("h3", {}, "The server does not answer"),
        make("p", {}, "Is it still running?"),
        make("button", { type: "button", onclick: onretry }, "Try again"))];
    default:
      return [make("section", { class: "card wide" },
        make("h3", {}, `Answer ${answer.status}`), drawValue(answer.text.slice(0, 100_000), "answer"))];
  }
}

/** Say in one sentence how a view went. */
export function describe(answer) {
  if (answer.kind === "problem") return `failed: ${answer.problem.title ?? answer.problem.status}`;
  if (answer.kind === "unreachable") return "no answer";
  if (answer.kind !== "report") return `answered ${answer.status}`;
  const failed = Object.keys(answer.report.errors).length;
  const steps = new Set([...Object.keys(answer.report.data), ...Object.keys(answer.report.errors)]).size;
  const counted = `${steps} ${steps === 1 ? "step" : "steps"}`;
  return failed ? `${failed} of ${counted} failed` : `${counted}, all succeeded`;
}

function drawReport(report, steps) {
  const hidden = Object.keys(report.errors).filter((name) => !(name in report.data));
  const cards = [...Object.keys(report.data), ...hidden].map((name) => drawStep(name, report));
  return [drawTiming(report.timing, steps), make("div", { class: "cards" }, ...cards)];
}

function drawStep(name, report) {
  const error = report.errors[name];
  const value = report.data[name];
  const card = make("section", { class: `card${isWide(value) ? " wide" : ""}${error ? " failed" : ""}` },
    make("h3", {}, name, ...(error ? [" ", mark("tag", error.type)] : [])));
  if (error) {
    card.append(make("p", { class: "message", dir: "auto" }, error.message),
      make("p", { class: "note" }, `plugin ${error.plugin}`));
    if (value === null || value === undefined) return card;
    card.append(make("p", { class: "note" }, "In its place stands:"));
  }
  card.append(drawValue(value, name));
  return card;
}

function drawProblem(problem) {
  const facts = Object.entries(problem).filter(([name]) => ["step", "plugin", "error", "input", "expected", "view"].includes(name));
  const list = facts.map(([name, fact]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(fact))));
  return make("div", { class: "alert", role: "alert" },
    make("h3", {}, String(problem.title ?? "Error"), " ", mark("tag", String(problem.status ?? ""))),
    make("p", { class: "message", dir: "auto" }, String(problem.detail ?? "")),
    ...(list.length ? [make("dl", {}, ...list)] : []));
}

/** Draw the times of a run as bars; also of each step, where the server tells them. */
function drawTiming(timing, steps) {
  const bars = [
    ["this run", timing.wall_ms, "wall"],
    ["critical path", timing.critical_path_ms, "critical"],
    ["one after another", timing.sum_ms, "sum"],
  ];
  const most = Math.max(...bars.map((bar) => bar[1]), ...steps.map((step) => step.ms ?? 0), 0.001);
  const whole = make("div", {}, make("dl", { class: "bars" }, ...bars.map(([name, ms, kind]) => drawBar(name, ms, most, kind))));
  const path = timing.critical_path.map((name) => make("li", {}, name));
  if (path.length) whole.append(make("ol", { class: "path", "aria-label": "Critical path" }, ...path));
  const section = make("section", { class: "timing", "aria-label": "Times" }, whole);
  if (steps.length) {
    const critical = new Set(timing.critical_path);
    const each = steps.map((step) => drawBar(step.name, step.ms, most, critical.has(step.name) ? "critical" : "step"));
    section.append(make("dl", { class: "bars", "aria-label": "Steps" }, ...each));
  }
  return section;
}

function drawBar(name, ms, most, kind) {
  const fill = make("span", { class: `fill ${kind}`, hidden: ms === null });
  fill.style.setProperty("inline-size", `${(100 * (ms ?? 0)) / most}%`);
  return make("div", {},
    make("dt", {}, name),
    make("dd", {}, make("span", { class: "track", "aria-hidden": "true" }, fill), mark("number", ms === null ? "did not run" : formatMs(ms))));
}

/** Write milliseconds with three digits that count. */
export function formatMs(ms) {
  if (ms >= 100) return `${Math.round(ms)}\u00a0ms`;
  return `${ms >= 1 ? ms.toPrecision(3) : Number(ms.toPrecision(2))}\u00a0ms`;
}
