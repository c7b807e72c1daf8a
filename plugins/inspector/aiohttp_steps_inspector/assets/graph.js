// A plan as a graph: a column for each tier, and within a parallel one a column for each level of who waits for whom.

import { svg } from "./dom.js";

const BOX = 34;
const GAP = 14;
const PAD = 14;
const HEAD = 28;
const BETWEEN = 46;
const CHARACTER = 7.4;

/** Make the picture of a view's plan. */
export function drawGraph(view) {
  const boxes = place(view);
  const width = Math.max(...boxes.tiers.map((tier) => tier.x + tier.width)) + 2;
  const height = boxes.height + 2;
  return svg("svg", { class: "graph", viewBox: `-1 -1 ${width + 1} ${height + 1}`, width, height, role: "img",
    "aria-label": describe(view) },
    svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: "7", refY: "4", markerWidth: "7",
      markerHeight: "7", orient: "auto" }, svg("path", { class: "tip", d: "M0 0 8 4 0 8z" }))),
    boxes.tiers.map((tier, number) => drawTier(tier, number, boxes.height)),
    view.edges.map((edge) => drawEdge(boxes.nodes.get(edge.from), boxes.nodes.get(edge.to), edge)),
    view.steps.map((step) => drawNode(boxes.nodes.get(step.name), step)));
}

function place(view) {
  const nodes = new Map();
  const tiers = [];
  let x = 0;
  let height = 0;
  for (const tier of view.tiers) {
    const columns = sortIntoColumns(tier.steps, view.edges);
    const left = x;
    x += PAD;
    for (const column of columns) {
      const width = Math.max(...column.map((name) => measure(name)));
      column.forEach((name, row) => nodes.set(name, { x, y: HEAD + PAD + row * (BOX + GAP), width, height: BOX }));
      height = Math.max(height, HEAD + 2 * PAD + column.length * (BOX + GAP) - GAP);
      x += width + BETWEEN;
    }
    const width = Math.max(x - BETWEEN + PAD - left, 92);
    tiers.push({ kind: tier.kind, x: left, width });
    x = left + width + BETWEEN - PAD;
  }
  return { nodes, tiers, height };
}

/** A step stands right of all those of its own tier that it waits for. */
function sortIntoColumns(names, edges) {
  const level = new Map();
  for (const name of names) {
    const sources = edges.filter((edge) => edge.to === name && level.has(edge.from)).map((edge) => level.get(edge.from));
    level.set(name, sources.length ? Math.max(...sources) + 1 : 0);
  }
  const columns = [];
  for (const [name, at] of level) (columns[at] ??= []).push(name);
  return columns;
}

function measure(name) {
  return Math.max(64, Math.ceil(name.length * CHARACTER) + 34);
}

function drawTier({ kind, x, width }, number, height) {
  return svg("g", { class: "tier", "data-kind": kind },
    svg("rect", { x, y: 0, width, height, rx: 8 }),
    svg("text", { x: x + PAD, y: 19 }, `${number + 1} ${kind}`));
}

function drawNode({ x, y, width, height }, step) {
  const rounded = step.kind === "parallel" ? 16 : 3;
  const inner = step.kind === "gate"
    ? svg("rect", { class: "inner", x: x + 3, y: y + 3, width: width - 6, height: height - 6, rx: 1 }) : null;
  return svg("g", { class: "node", "data-kind": step.kind, "data-step": step.name },
    svg("title", {}, `${step.name}: ${step.explanation.join("; ")}`),
    svg("rect", { x, y, width, height, rx: rounded, "data-required": step.required }),
    inner,
    step.kind === "exclusive" ? svg("path", { class: "lock", d: lockAt(x + 9, y + 11) }) : null,
    svg("text", { x: x + width / 2 + (step.kind === "exclusive" ? 6 : 0), y: y + 21 }, step.name));
}

function lockAt(x, y) {
  return `M${x} ${y + 5}h9v7h-9zM${x + 2} ${y + 5}v-2a2.5 2.5 0 0 1 5 0v2`;
}

function drawEdge(from, to, { kind }) {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x - 2, to.y + to.height / 2];
  const bend = Math.max(24, (x2 - x1) / 2);
  return svg("path", { class: "edge", "data-kind": kind, "marker-end": "url(#arrow)",
    d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
}

function describe(view) {
  const tiers = view.tiers.map((tier, number) => `tier ${number + 1}, ${tier.kind}: ${tier.steps.join(", ")}`);
  return `Plan of view ${view.name}. ${tiers.join(". ")}`;
}
