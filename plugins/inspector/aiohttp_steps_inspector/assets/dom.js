// Elements made of data: text is only ever set as text, so that nothing in a name, error or value is markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an HTML element. Attributes that are `null` or `false` are left out; `on` holds listeners. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, { on = {}, vars = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  for (const [name, value] of Object.entries(vars)) element.style.setProperty(`--${name}`, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Write milliseconds with three digits that count. */
export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 60_000) return `${(value / 60_000).toFixed(1)} min`;
  if (value >= 1000) return `${(value / 1000).toFixed(value >= 10_000 ? 1 : 2)} s`;
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.01 || value === 0 ? 2 : 3;
  return `${value === 0 ? 0 : value.toFixed(digits)} ms`;
}

/** Write a count with separators, and its noun. */
export function count(number, noun, plural = `${noun}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}

/** Let the arrow keys move the focus among elements, of which one is in the tab order. */
export function rove(container, selector, { vertical = false, activate = false } = {}) {
  const [back, on] = vertical ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"];
  container.addEventListener("keydown", (event) => {
    const all = [...container.querySelectorAll(selector)];
    const here = all.indexOf(document.activeElement);
    if (here < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = { [back]: here - 1, [on]: here + 1, Home: 0, End: all.length - 1 };
    const target = all[moves[event.key]];
    if (target === undefined) return;
    event.preventDefault();
    for (const one of all) one.tabIndex = one === target ? 0 : -1;
    target.focus();
    if (activate) target.click();
  });
}
