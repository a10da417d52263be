// The switch between what can stand below the time line: the table of processes, or two moments compared.

import { el } from "./dom.js";
import { view } from "./view.js";

const MODES = ["table", "compare"];

/** A new switch; `on(mode)`: whether it is to be pressed is kept up to date. */
export function modes() {
  const buttons = MODES.map((mode) =>
    el("button", {
      type: "button",
      "data-mode": mode,
      say: `mode.${mode}`,
      on: { click: () => view.set({ mode }) },
    }),
  );
  const tell = () =>
    buttons.forEach((button) =>
      button.setAttribute("aria-pressed", button.dataset.mode === view.get("mode")),
    );
  view.on(["mode"], tell);
  tell();
  return el("div", { class: "segments", role: "group", sayLabel: "mode.heading" }, ...buttons);
}
