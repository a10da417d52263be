// English and Spanish: chosen from the browser, switchable, remembered in the address.

import en from "./messages/en.js";
import es from "./messages/es.js";
import { view } from "./view.js";

const MESSAGES = { en, es };

/** "en" or "es". */
export function language() {
  const asked = [view.get("lang"), ...navigator.languages].map((tag) => tag.slice(0, 2).toLowerCase());
  return asked.find((tag) => tag in MESSAGES) ?? "en";
}

/** The language as the reader's own region writes it: "en-GB" for dates and figures. */
export function locale() {
  return navigator.languages.find((tag) => tag.slice(0, 2).toLowerCase() === language()) ?? language();
}

/** The message `key`, with `{word}` replaced by `values.word`. */
export function t(key, values = {}) {
  const message = MESSAGES[language()][key] ?? en[key];
  if (message === undefined) throw new Error(`message ${key}: in no language`);
  return message.replace(/\{(\w+)\}/g, (whole, word) => values[word] ?? whole);
}
