// Elements without markup: text reaches the page through textContent alone, whatever it holds.

import { t } from "./language.js";

/**
 * A new element. Options: `text`; `say` / `sayTitle` / `sayLabel`: message keys for the text, the tooltip and the
 * accessible name, told again when the language changes; `class`; `on`: listeners; anything else is an attribute.
 */
export function el(tag, options = {}, ...children) {
  return fill(document.createElement(tag), options, children);
}

/** The same for SVG. */
export function svg(tag, options = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), options, children);
}

function fill(node, { text, say, sayTitle, sayLabel, on, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  if (say) node.dataset.say = say;
  if (sayTitle) node.dataset.sayTitle = sayTitle;
  if (sayLabel) node.dataset.sayLabel = sayLabel;
  for (const [event, listener] of Object.entries(on ?? {})) node.addEventListener(event, listener);
  if (text != null) node.textContent = text;
  node.append(...children.filter((child) => child != null));
  tellOne(node);
  return node;
}

/** Touches the document only when the text is another one: live regions and selections stay calm. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Change what an element says. */
export function say(node, key) {
  if (node.dataset.say !== key) {
    node.dataset.say = key;
    tellOne(node);
  }
}

/** Tell everything below `root` in the language of now. */
export function tell(root) {
  for (const node of root.querySelectorAll("[data-say], [data-say-title], [data-say-label]")) tellOne(node);
}

function tellOne(node) {
  const { say: key, sayTitle, sayLabel } = node.dataset;
  if (key) setText(node, t(key));
  if (sayTitle) node.setAttribute("title", t(sayTitle));
  if (sayLabel) node.setAttribute("aria-label", t(sayLabel));
}
