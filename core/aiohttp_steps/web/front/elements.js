// Makes elements. What comes from the server is text here, whatever it says: nothing is read as markup.

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {Object} attributes `null`, and `false` but for ARIA, are left out; `onclick` and the like are listeners. Names are
 *   the page's own; no value of the server's becomes a link or a listener.
 * @param {...(Node|string)} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-") && value != null) element.setAttribute(name, value); // "false" says something
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Make a small text of a kind: `none`, `number`, `tag`. */
export function mark(kind, text) {
  return make("span", { class: kind }, text);
}
