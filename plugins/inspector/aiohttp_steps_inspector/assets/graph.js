// A plan as a graph: a column for each tier, and within a parallel one a column for each level of who waits for
// whom. An arrow that passes columns runs through a lane of its own there, and so never behind a step.

import { svg } from "./dom.js";

const BOX = 34;
const LANE = 8;
const GAP = 14;
const PAD = 14;
const HEAD = 28;
const BETWEEN = 46;
const CHARACTER = 7.4;

let graphs = 0;

/** Make the picture of a view's plan. */
export function drawGraph(view) {
  const { places, tiers, height } = place(view);
  const width = tiers.at(-1).x + tiers.at(-1).width;
  const tip = `tip-${(graphs += 1)}`;
  return svg("svg", { class: "graph", viewBox: `-1 -1 ${width + 2} ${height + 2}`, width: width + 2,
    height: height + 2, role: "img", "aria-label": describe(view) },
    svg("defs", {}, svg("marker", { id: tip, viewBox: "0 0 8 8", refX: "7", refY: "4", markerWidth: "7",
      markerHeight: "7", orient: "auto" }, svg("path", { class: "tip", d: "M0 0 8 4 0 8z" }))),
    tiers.map((tier, number) => drawTier(tier, number, height)),
    tiers.slice(1).map((tier, number) => svg("path", { class: "edge", "data-kind": "tier", "marker-end": `url(#${tip})`,
      d: `M${tiers[number].x + tiers[number].width} 14L${tier.x - 1} 14` })),
    view.edges.map((edge) => drawEdge(route(edge, places), edge, tip)),
    view.steps.map((step) => drawNode(places.get(step.name), step)));
}

/** Give each step and each lane its place. */
function place(view) {
  const columns = view.tiers.flatMap((tier, number) =>
    sortIntoColumns(tier.steps, view.edges).map((names) => ({ tier: number, names })));
  const column = new Map(columns.flatMap(({ names }, at) => names.map((name) => [name, at])));
  const places = new Map();
  let x = 0;
  let height = 0;
  columns.forEach(({ tier, names }, at) => {
    const isFirst = at === 0 || columns[at - 1].tier !== tier;
    x += isFirst ? PAD : 0;
    const cells = [...names.map((name) => ({ name, key: name, size: BOX })), ...findLanes(view.edges, column, at)];
    const width = Math.max(...names.map(measure));
    let y = HEAD + PAD;
    for (const cell of order(cells, view.edges, places, at)) {
      places.set(cell.key, { column: at, x, y, width, height: cell.size });
      y += cell.size + GAP;
    }
    height = Math.max(height, y - GAP + PAD);
    x += width + (at + 1 < columns.length && columns[at + 1].tier === tier ? BETWEEN : PAD + BETWEEN);
  });
  return { places, tiers: frame(view.tiers, columns, places), height };
}

/** A step stands right of all those of its own tier that it waits for. */
function sortIntoColumns(names, edges) {
  const level = new Map();
  for (const name of names) {
    const before = edges.filter((edge) => edge.to === name && level.has(edge.from)).map((edge) => level.get(edge.from));
    level.set(name, before.length ? Math.max(...before) + 1 : 0);
  }
  const columns = [];
  for (const [name, at] of level) (columns[at] ??= []).push(name);
  return columns;
}

/** Find what passes a column; arrows from one step share a lane. */
function findLanes(edges, column, at) {
  const sources = edges.filter(({ from, to }) => column.get(from) < at && at < column.get(to)).map(({ from }) => from);
  return [...new Set(sources)].map((from) => ({ name: null, key: laneKey(from, at), size: LANE, from }));
}

function laneKey(from, at) {
  return `${from} > ${at}`;
}

/** Sort a column by where what leads into each of its cells stands: few arrows cross. */
function order(cells, edges, places, at) {
  const middle = (key) => places.get(key).y + places.get(key).height / 2;
  const wanted = (cell) => {
    const sources = cell.name === null ? [cell.from] : edges.filter((edge) => edge.to === cell.name).map((edge) => edge.from);
    const heights = sources.map((from) => middle(places.has(laneKey(from, at - 1)) ? laneKey(from, at - 1) : from));
    return heights.length ? heights.reduce((sum, height) => sum + height, 0) / heights.length : Infinity;
  };
  return cells.map((cell) => ({ ...cell, wanted: wanted(cell) })).sort((a, b) => (a.wanted === b.wanted ? 0 : a.wanted - b.wanted));
}

function frame(tiers, columns, places) {
  return tiers.map(({ kind }, number) => {
    const own = columns.filter(({ tier }) => tier === number).flatMap(({ names }) => names.map((name) => places.get(name)));
    const left = Math.min(...own.map((place) => place.x)) - PAD;
    const right = Math.max(...own.map((place) => place.x + place.width)) + PAD;
    return { kind, x: left, width: right - left };
  });
}

function measure(name) {
  return Math.max(78, Math.ceil(name.length * CHARACTER) + 34);
}

/** Return the points of an arrow: out of its step, along its lanes, into the other. */
function route({ from, to }, places) {
  const [start, end] = [places.get(from), places.get(to)];
  const middle = (place) => place.y + place.height / 2;
  const points = [[start.x + start.width, middle(start)]];
  for (let at = start.column + 1; at < end.column; at += 1) {
    const lane = places.get(laneKey(from, at));
    points.push([lane.x, middle(lane)], [lane.x + lane.width, middle(lane)]);
  }
  return [...points, [end.x - 2, middle(end)]];
}

function drawEdge([first, ...rest], { from, to, kind }, tip) {
  let [x1, y1] = first;
  let path = `M${x1} ${y1}`;
  for (const [x2, y2] of rest) {
    const bend = (x2 - x1) / 2;
    path += y1 === y2 ? `L${x2} ${y2}` : `C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
    [x1, y1] = [x2, y2];
  }
  return svg("path", { class: "edge", "data-kind": kind, "data-from": from, "data-to": to,
    "marker-end": `url(#${tip})`, d: path });
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

function describe(view) {
  const tiers = view.tiers.map((tier, number) => `tier ${number + 1}, ${tier.kind}: ${tier.steps.join(", ")}`);
  return `Plan of view ${view.name}. ${tiers.join(". ")}`;
}
