// The form of a view's inputs: fields by type, and what was filled in as query and body of a request.

import { make, mark } from "./elements.js";

const LISTS = /^(list|tuple|set|frozenset|Sequence|Collection)\b/;
const OBJECTS = /^(dict|Mapping)\b/;

/** Whether a view may be run without a press of a button: it only reads, and lacks nothing. */
export function runsByItself(view, values) {
  return canGet(view) && view.inputs.every((input) => !input.required || (byQuery(input) && filled(values, input)));
}

/** The inputs that a link may carry: those of the query of a view that only reads. */
export function isLinkable(view, name) {
  return canGet(view) && view.inputs.some((input) => input.name === name && byQuery(input));
}

/** The method for these values: GET, unless the view may write, or a value fits in a body alone. */
export function methodFor(view, values) {
  const fits = (input) => byQuery(input) || !filled(values, input);
  return canGet(view) && view.inputs.every(fits) ? "GET" : "POST";
}

/** Return `{query, body, faults}` for a request: entries, an object, and by input what is wrong with it. */
export function readValues(view, method, values) {
  const given = { query: [], body: {}, faults: {} };
  for (const input of view.inputs) {
    if (!filled(values, input)) {
      if (input.required) given.faults[input.name] = "It is needed.";
      continue;
    }
    const text = values[input.name];
    if (byQuery(input) && (method === "GET" || !input.source.includes("body"))) {
      const several = LISTS.test(input.type) ? text.split("\n").filter((line) => line) : [text];
      given.query.push(...several.map((one) => [input.name, one]));
      continue;
    }
    try {
      given.body[input.name] = toJson(bare(input), text);
    } catch (error) {
      given.faults[input.name] = `It is no JSON: ${error.message}`;
    }
  }
  return given;
}

function canGet(view) {
  return view.methods.includes("GET");
}

function byQuery(input) {
  return input.source.includes("query");
}

function filled(values, input) {
  return Boolean(values[input.name]);
}

function bare(input) {
  return input.type.replace(/ \| None$|^None \| /, "");
}

/** Read text as a value of a type. What does not fit is passed on: the server says what is wrong. */
function toJson(type, text) {
  if (OBJECTS.test(type)) return JSON.parse(text);
  if (LISTS.test(type)) return text.trim().startsWith("[") ? JSON.parse(text) : text.split("\n").filter((line) => line);
  if (type === "bool") return text === "true";
  if (type === "int" || type === "float") return text.trim() && Number.isFinite(Number(text)) ? Number(text) : text;
  const number = type.startsWith("Literal[") && choices(type).find((one) => typeof one !== "string" && String(one) === text);
  if (number !== undefined && number !== false) return number;
  return /^\s*[{[]/.test(text) && !/^(str|Path)$/.test(type) ? JSON.parse(text) : text;
}

/** Return the values of `Literal['a', 'b', 3]`. */
function choices(type) {
  const found = type.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(-?\d+)/g);
  return [...found].map((match) => match[1] ?? match[2] ?? Number(match[3]));
}

/**
 * Draw the form of a view.
 *
 * @param {Object} values texts by name; what is typed is put there.
 * @param {function(): void} onrun called when the form is sent.
 */
export function drawForm(view, values, onrun) {
  const usable = view.inputs.filter((input) => input.source.includes("query") || input.source.includes("body"));
  const run = make("button", { type: "submit", class: "run" }, `Run ${view.name}`);
  const send = (event) => {
    event.preventDefault();
    onrun();
  };
  const form = make("form", { novalidate: true, onsubmit: send, "aria-label": `Inputs of ${view.name}` });
  if (!canGet(view)) {
    form.append(make("p", { class: "writes" }, mark("tag", "may write"), " This view runs only when you press its button."));
  }
  const fields = make("div", { class: "fields" }, ...usable.map((input) => drawField(input, values)));
  const open = !canGet(view) || usable.some((input) => input.required || filled(values, input));
  if (usable.length === 0 && canGet(view)) return form; // the page has a button to run it again
  if (!open) {
    // Reads run with their defaults; the fields are there for who wants other values.
    const summary = make("summary", {}, `Inputs (${usable.length})`);
    form.append(make("details", {}, summary, fields, run));
  } else {
    form.append(fields, run);
  }
  return form;
}

/** Say beside each field what is wrong with it, and go to the first that is. */
export function showFaults(form, faults) {
  let first = null;
  for (const field of form.querySelectorAll("[data-input]")) {
    const fault = faults[field.dataset.input];
    const place = document.getElementById(`${field.id}-fault`);
    place.textContent = fault || "";
    field.setAttribute("aria-invalid", Boolean(fault));
    if (fault) first ??= field;
  }
  if (!first) return;
  const details = first.closest("details");
  if (details) details.open = true;
  first.focus();
}

function drawField(input, values) {
  const id = `input-${input.name}`;
  const keep = (event) => {
    values[input.name] = event.target.value;
  };
  const attributes = {
    id,
    "data-input": input.name,
    "aria-describedby": `${id}-help ${id}-fault`,
    "aria-required": input.required,
    oninput: keep,
  };
  const field = makeField(input, attributes);
  field.value = values[input.name] || "";
  const standard = input.required ? mark("tag", "needed") : mark("default", `default: ${describeDefault(input)}`);
  return make("div", { class: "field" },
    make("label", { for: id }, input.name, " ", make("code", {}, input.type)),
    field,
    make("p", { id: `${id}-help`, class: "help" }, input.help, input.help ? " " : "", standard),
    make("p", { id: `${id}-fault`, class: "invalid" }));
}

function describeDefault(input) {
  if (input.default === null) return "none";
  return typeof input.default === "string" ? input.default : JSON.stringify(input.default);
}

function makeField(input, attributes) {
  const type = bare(input);
  const options = type === "bool" ? ["true", "false"] : type.startsWith("Literal[") ? choices(type).map(String) : null;
  if (options) {
    const all = ["", ...options].map((one) => make("option", { value: one }, one || "(default)"));
    return make("select", attributes, ...all);
  }
  if (OBJECTS.test(type) || LISTS.test(type)) {
    const placeholder = OBJECTS.test(type) ? '{"name": "value"}' : "one a line";
    return make("textarea", { ...attributes, rows: 4, spellcheck: "false", placeholder });
  }
  const numeric = type === "int" ? "numeric" : type === "float" ? "decimal" : null;
  return make("input", { ...attributes, type: "text", autocomplete: "off", spellcheck: "false", inputmode: numeric });
}
