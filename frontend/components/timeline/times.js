// The window by exact times: without a mouse, and to the second.

import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { t } from "../../lib/language.js";
import { popover } from "../../lib/popover.js";
import { chooseWindow, chosenWindow } from "../../lib/window.js";

/** {element}: a button, and the form that it opens. */
export function times() {
  const field = (key) => el("input", { type: "datetime-local", step: 1, required: true, id: `times-${key}` });
  const [from, to] = [field("from"), field("to")];
  const wrong = el("p", { class: "wrong", role: "alert" });
  const labelled = (key, input) => el("p", {}, el("label", { for: input.id, say: `times.${key}` }), input);
  const form = el(
    "form",
    { class: "times" },
    labelled("from", from),
    labelled("to", to),
    wrong,
    el("button", { type: "submit", class: "strong", say: "times.show" }),
  );
  const button = el("button", { type: "button", say: "times.open" });
  const { element, close } = popover(button, form, { sayLabel: "times.heading", open: fill });

  function fill() {
    const now = feed.status ? Math.floor(feed.status.time_us / 1e6) : Math.floor(Date.now() / 1000);
    const [first, last] = chosenWindow() ?? [now - 60, now];
    from.value = local(first);
    to.value = local(last);
    setText(wrong, "");
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [first, last] = [from, to].map((input) => Math.floor(new Date(input.value).getTime() / 1000));
    if (!(last > first)) return setText(wrong, t("times.wrong"));
    chooseWindow([first, last]);
    close();
  });
  return { element };
}

/** A second as the field writes it: the reader's own clock. */
function local(second) {
  const date = new Date(second * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
