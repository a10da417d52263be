// Light and dark: the system's choice until the reader makes one.

import { view } from "./view.js";

const system = matchMedia("(prefers-color-scheme: dark)");

/** "light" or "dark". */
export function theme() {
  const chosen = view.get("theme");
  return chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

/** Calls `listener` whenever the theme changes, whoever changed it. */
export function onTheme(listener) {
  view.on(["theme"], listener);
  system.addEventListener("change", listener);
}

export function applyTheme() {
  document.documentElement.dataset.theme = theme();
}
