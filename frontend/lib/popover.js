// A small sheet below the button that opens it: closed by Escape, by a click beside it, and by the button.

import { el } from "./dom.js";

let popovers = 0;

/** {element, close}: `button` and the sheet around `content`; `open()` is called before it is shown. */
export function popover(button, content, { sayLabel, open = () => {} }) {
  const id = `popover-${++popovers}`;
  const sheet = el("div", { id, popover: "auto", class: "sheet", role: "dialog", sayLabel }, content);
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-haspopup", "dialog");
  button.popoverTargetElement = sheet;
  sheet.addEventListener("beforetoggle", ({ newState }) => {
    button.setAttribute("aria-expanded", newState === "open");
    if (newState === "open") open();
  });
  sheet.addEventListener("toggle", ({ newState }) => {
    if (newState !== "open") return;
    place(sheet, button);
    sheet.querySelector("input, button, select")?.focus();
  });
  // It stands where its button stands: scrolled away, it would point at nothing.
  addEventListener("scroll", () => sheet.matches(":popover-open") && place(sheet, button), { passive: true });
  return { element: el("div", { class: "popover" }, button, sheet), close: () => sheet.hidePopover() };
}

function place(sheet, button) {
  const { left, right, bottom, top } = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = sheet;
  const x = left + width <= innerWidth - 8 ? left : Math.max(8, right - width);
  const y = bottom + height + 8 <= innerHeight ? bottom + 4 : Math.max(8, top - height - 4);
  sheet.style.left = `${x}px`;
  sheet.style.top = `${y}px`;
}
