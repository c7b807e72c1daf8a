// How a step or a run ended: a shape and a word, so that colour is never the only difference.

import { el, svg } from "./dom.js";

const SHAPES = {
  succeeded: "M2.5 6.5 5 9l4.5-6",
  failed: "M3 3l6 6M9 3l-6 6",
  timed_out: "M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 1 0 0-9M6 3.5V6l2 1.5",
  skipped: "M2 3l3 3-3 3M6.5 3l3 3-3 3",
  cancelled: "M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 1 0 0-9M3 3l6 6",
  not_started: "M3 6h6",
  shared: "M4.5 3a3 3 0 1 0 0 6 3 3 0 1 0 0-6M7.5 3a3 3 0 1 1 0 6 3 3 0 1 1 0-6",
  incomplete: "M6 2v5M6 9.5v.5",
  answered: "M9.5 3v3.5H3M5.5 4 3 6.5 5.5 9",
};

const WORDS = {
  succeeded: "succeeded",
  failed: "failed",
  timed_out: "timed out",
  skipped: "skipped",
  cancelled: "cancelled",
  not_started: "not started",
  completed: "completed",
  incomplete: "incomplete",
  answered: "answered by a step",
};

/** Return the words for a status or state. */
export function word(status) {
  return WORDS[status] ?? status;
}

/** Make the shape of a status. */
export function mark(status) {
  const shape = SHAPES[status === "completed" ? "succeeded" : status];
  return svg("svg", { class: "mark", viewBox: "0 0 12 12", "aria-hidden": "true", "data-status": status },
    svg("path", { d: shape }));
}

/** Make a shape with its words. */
export function badge(status, text = word(status)) {
  return el("span", { class: "badge", "data-status": status }, mark(status), text);
}
