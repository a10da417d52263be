// The chosen window of time: what the table, the shares, the calls and the comparison are of.

import { feed } from "./feed.js";
import { moment } from "./format.js";
import { t } from "./language.js";
import { view } from "./view.js";

export const WINDOW_KEYS = ["from", "to"];
const SETTLED_S = 60; // a window that ended so long ago seldom changes,
const SELDOM = 10; // and is asked for again at every tenth change of the data only

/** [from, to) in seconds since the epoch; null for everything until now. */
export function chosenWindow() {
  const [from, to] = WINDOW_KEYS.map((key) => Number(view.get(key)));
  return view.get("from") && to > from ? [from, to] : null;
}

/** The window as the API's parameters. */
export function windowQuery() {
  const chosen = chosenWindow();
  return chosen ? { from_us: chosen[0] * 1e6, to_us: chosen[1] * 1e6 } : {};
}

/** Choose [from, to), or with null none; `at`: where the time line stands still meanwhile. */
export function chooseWindow(chosen, at = "") {
  const [from, to] = chosen ?? ["", ""];
  view.set({ from: String(from), to: String(to), at: String(at) }, { push: true });
}

/** "07:43:13 – 07:44:10", or since when everything is. */
export function windowText() {
  const chosen = chosenWindow();
  if (chosen) return chosen.map((second) => moment(second * 1e6)).join(" – ");
  const since = feed.status?.totals.first_us;
  return since ? t("window.since", { time: moment(since) }) : "";
}

/** Calls `listener` at once, and when the data of the chosen window may have changed. */
export function onWindowData(listener) {
  queueMicrotask(listener); // the first rows need not wait for the stream of status
  onDataUntil(() => chosenWindow()?.[1], listener);
}

/** Calls `listener` when the data until the second that `end()` gives (undefined: until now) may have changed. */
export function onDataUntil(end, listener) {
  let passed = 0;
  feed.addEventListener("data", () => {
    const past = feed.status.time_us / 1e6 - (end() ?? Infinity) > SETTLED_S;
    if (!past) passed = 0;
    if (!past || passed++ % SELDOM === 0) listener();
  });
}
