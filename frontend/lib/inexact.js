// A sum that a loss has touched is marked: "≈" before its figure, and why in its tooltip.

import { t } from "./language.js";

const FIGURE = /\d/; // not what stands for an unknown one

/** [text, tooltip] of a sum, marked unless it is exact. */
export function sum(text, title, exact) {
  if (exact || !FIGURE.test(text)) return [text, title];
  return [`≈${text}`, title ? `${title}\n${t("inexact")}` : t("inexact")];
}

/** Mark the figure that an element shows. */
export function mark(element) {
  [element.textContent, element.title] = sum(element.textContent, element.title, false);
}
