// Which columns are shown: a sheet of check marks.

import { el, setText } from "../../lib/dom.js";
import { t } from "../../lib/language.js";
import { popover } from "../../lib/popover.js";

/**
 * {element, tell(shown, impossible)} for columns with `key` and `say`: which are shown, and which nobody could fill.
 * `choose(keys)` is told what is wanted; null for the usual ones.
 */
export function columnChooser(columns, choose) {
  const boxes = columns.map(({ key }) =>
    el("input", { type: "checkbox", value: key, on: { change: () => choose(marked()) } }),
  );
  const marked = () => boxes.filter(({ checked }) => checked).map(({ value }) => value);
  const labels = columns.map(({ say }, at) => el("label", {}, boxes[at], el("span", { say })));
  const usual = el("button", { type: "button", say: "columns.usual", on: { click: () => choose(null) } });
  const note = el("p", { class: "hint", say: "columns.unknown" });
  const fields = el(
    "fieldset",
    { class: "columns" },
    el("legend", { class: "unseen", say: "columns.heading" }),
    ...labels,
  );
  const button = el("button", { type: "button", class: "choose-columns", say: "columns.open" });
  const { element } = popover(button, el("div", {}, fields, note, usual), { sayLabel: "columns.heading" });
  return {
    element,
    tell(shown, impossible) {
      boxes.forEach((box) => {
        box.checked = shown.includes(box.value);
        box.disabled = impossible.includes(box.value);
      });
      note.hidden = impossible.length === 0;
      setText(usual, t("columns.usual"));
    },
  };
}
