// Draws values of steps: tables for lists of objects, names and values for objects, text for the rest.

import { make, mark } from "./elements.js";

const FIRST_ROWS = 10;
const MORE_ROWS = 200; // so many rows are drawn at once: a list may have 100,000
const MOST_COLUMNS = 12;
const MOST_DEPTH = 5;
const LONG_TEXT = 280;
const LONG_LINES = 5;

const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/;
const HASH = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * Draw a JSON value.
 *
 * @param {string} label what it is, for those who do not see where it stands.
 */
export function drawValue(value, label, depth = 0) {
  if (value === null || value === undefined) return mark("none", "none");
  if (typeof value === "string") return drawText(value);
  if (typeof value === "number") return mark("number", String(value));
  if (typeof value === "boolean") return mark("flag", value ? "yes" : "no");
  if (depth > MOST_DEPTH) return drawText(JSON.stringify(value, null, 1));
  if (Array.isArray(value)) return drawList(value, label, depth);
  return drawObject(value, label, depth);
}

/** Whether a value needs the whole width of the page. */
export function isWide(value) {
  if (Array.isArray(value)) return value.some(isObject);
  return isObject(value) && Object.values(value).some((one) => Array.isArray(one) && one.some(isObject));
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(value) {
  if (value === null || value === undefined || value === "") return true;
  return Array.isArray(value) && value.length === 0;
}

function drawText(text) {
  if (text === "") return mark("none", "empty");
  if (TIME.test(text)) {
    const shown = text.replace("T", " ").replace(/\.\d+/, "").replace(/(Z|[+-]\d\d:\d\d)$/, " $1");
    return make("time", { datetime: text, title: text }, shown);
  }
  if (HASH.test(text)) return make("code", { class: "hash", title: text }, text);
  // In its own direction, and in no other's: names may be in any script, or try to look like another.
  const drawn = make("span", { class: "text", dir: "auto" }, text);
  if (text.length <= LONG_TEXT && text.split("\n", LONG_LINES + 1).length <= LONG_LINES) return drawn;
  return clip(drawn);
}

/** Show the first lines of a long text, and a button for the rest. */
function clip(drawn) {
  drawn.classList.add("clipped");
  const toggle = () => {
    const isOpen = !drawn.classList.toggle("clipped");
    button.setAttribute("aria-expanded", isOpen);
    button.textContent = isOpen ? "Show less" : "Show all";
  };
  const button = make("button", { type: "button", class: "more", "aria-expanded": false, onclick: toggle });
  button.textContent = "Show all";
  return make("div", {}, drawn, button);
}

function drawList(list, label, depth) {
  if (list.length === 0) return mark("none", "none");
  if (list.every(isObject)) {
    const columns = [...new Set(list.flatMap(Object.keys))];
    if (columns.length > 0 && columns.length <= MOST_COLUMNS) return drawTable(list, columns, label, depth);
  }
  const box = make("ul", { class: list.some((one) => typeof one === "object") ? "blocks" : "plain" });
  const draw = (one) => make("li", {}, drawValue(one, label, depth + 1));
  return make("div", {}, box, ...drawInParts(list, (part) => box.append(...part.map(draw))));
}

function drawTable(rows, columns, label, depth) {
  const filled = columns.filter((column) => rows.some((row) => !isEmpty(row[column])));
  const shown = filled.length ? filled : columns;
  const numbers = new Set(shown.filter((column) => rows.every((row) => isEmpty(row[column]) || typeof row[column] === "number")));
  const heads = shown.map((column) => make("th", { scope: "col", class: numbers.has(column) && "number" }, column));
  const body = make("tbody");
  const draw = (row) => make("tr", {}, ...shown.map((column) => drawCell(row[column], column, numbers.has(column), depth)));
  const more = drawInParts(rows, (part) => body.append(...part.map(draw)));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
  // Can be reached by keyboard, because it may have to be scrolled.
  const box = make("div", { class: "scroll", role: "group", tabindex: 0, "aria-label": label }, table);
  const empty = columns.filter((column) => !shown.includes(column));
  if (empty.length) more.push(make("p", { class: "note" }, `Nothing in ${empty.join(", ")}.`));
  return make("div", {}, box, ...more);
}

function drawCell(value, column, isNumber, depth) {
  const content = isEmpty(value) ? [] : [drawValue(value, column, depth + 1)];
  return make("td", { class: isNumber && "number" }, ...content);
}

/** Draw the first items, and return the button for further ones, if there are any. */
function drawInParts(items, drawPart) {
  drawPart(items.slice(0, FIRST_ROWS));
  let drawn = FIRST_ROWS;
  if (items.length <= drawn) return [];
  const name = () => `Show ${Math.min(MORE_ROWS, items.length - drawn)} more of ${items.length.toLocaleString("en")}`;
  const button = make("button", {
    type: "button",
    class: "more",
    onclick: () => {
      drawPart(items.slice(drawn, drawn + MORE_ROWS));
      drawn += MORE_ROWS;
      if (drawn < items.length) button.textContent = name();
      else button.remove();
    },
  }, name());
  return [button];
}

function drawObject(object, label, depth) {
  const entries = Object.entries(object);
  if (entries.length === 0) return mark("none", "none");
  const list = make("dl", { class: depth ? "inner" : null });
  for (const [name, value] of entries) {
    const isBlock = typeof value === "object" && value !== null && !isEmpty(value);
    list.append(make("div", { class: isBlock ? "block" : null },
      make("dt", {}, name),
      make("dd", {}, drawValue(value, `${label}: ${name}`, depth + 1))));
  }
  return list;
}
