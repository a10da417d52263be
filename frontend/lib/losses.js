// What is missing: events whose number is known, and gaps, of which nobody knows how many events they were.

import { count } from "./format.js";
import { t } from "./language.js";

/** {lost, gaps, level, text} of an account: "good" only where nothing at all is missing. */
export function missing({ lost: byCause, gaps }) {
  const lost = Object.values(byCause).reduce((sum, events) => sum + Number(events), 0);
  const level = lost ? "bad" : gaps ? "warn" : "good";
  const parts = [
    lost || !gaps ? t("lost.events", { count: count(lost) }) : null,
    gaps ? t(gaps === 1 ? "lost.gap" : "lost.gaps", { count: count(gaps) }) : null,
  ];
  return { lost, gaps, level, text: parts.filter(Boolean).join(" + ") };
}
