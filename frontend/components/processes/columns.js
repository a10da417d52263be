// The columns of the table of processes: what each says, and how wide it is.

import {
  count,
  exactBytes,
  fullTime,
  megabytes,
  megabytesIfKnown,
  moment,
  percent,
  share,
} from "../../lib/format.js";
import { text } from "../../lib/grid.js";
import { mark } from "../../lib/inexact.js";
import { t } from "../../lib/language.js";

const HAIR = 0.03; // of the biggest share: a shorter line would look like a speck
const TIMES_FROM = 1000; // percent of the machine's memory, from which "×10" is told: reserved address space costs none

export const SAID_BY_SOME = ["vm", "resident", "failed", "uid", "cgroup", "parent"]; // what only some taps say
export const USUAL = [
  "pid",
  "process_name",
  "balance",
  "vm",
  "resident",
  "percentage",
  "requested",
  "released",
  "share",
  "calls",
  "failed",
  "first_us",
  "last_us",
  "ended_us",
];

/** For a grid whose rows are indices into `table.columns`, the API's; `table.mostShare`: the biggest of their shares. */
export function processColumns(table) {
  const of = (key) => (at) => table.columns[key][at];
  const calls = (at) => table.columns.requests[at] + table.columns.releases[at];
  /** What shows a sum of calls; what is only a quotient of such sums is not marked. */
  const sum = (show) => (cell, at) => {
    show(cell, at);
    cell.classList.toggle("inexact", !table.columns.exact[at]);
    if (!table.columns.exact[at]) mark(cell);
  };
  const bytes = (key) => sum((cell, at) => text(cell, megabytes(of(key)(at)), exactBytes(of(key)(at))));
  const held = (key) => (cell, at) => {
    const value = of(key)(at);
    text(cell, megabytesIfKnown(value), value === null ? "" : exactBytes(value));
  };
  const time = (key) => (cell, at) => text(cell, moment(of(key)(at)), fullTime(of(key)(at)));
  const plain = (key) => (cell, at) => text(cell, of(key)(at)?.toString() ?? "");
  const kinds = (at) =>
    t("processes.kinds", { requests: count(of("requests")(at)), releases: count(of("releases")(at)) });
  const column = (key, width, show, more = {}) => ({
    key,
    width,
    show,
    say: `processes.${key}`,
    sayTitle: `processes.${key}-title`,
    sortable: true,
    end: true,
    ...more,
  });
  return [
    column("pid", 6.4, plain("pid")),
    column("process_name", 9, (cell, at) => name(cell, of("process_name")(at)), { grow: 3, end: false }),
    column("balance", 10.6, bytes("balance"), { grow: 2 }),
    column("vm", 10.8, held("vm"), { grow: 2 }),
    column("resident", 9.2, held("resident"), { grow: 2 }),
    column("percentage", 7.6, (cell, at) => ofMemory(cell, of("percentage")(at)), { grow: 1 }),
    column("requested", 10.2, bytes("requested"), { grow: 2 }),
    column("released", 10.2, bytes("released"), { grow: 2 }),
    column("share", 7, (cell, at) => barred(cell, of("share")(at), table.mostShare), { grow: 1 }),
    column(
      "calls",
      7.4,
      sum((cell, at) => text(cell, count(calls(at)), kinds(at))),
      { grow: 1 },
    ),
    column(
      "failed",
      6.8,
      sum((cell, at) => failed(cell, of("failed")(at))),
      { grow: 1 },
    ),
    column("first_us", 8.8, time("first_us"), { grow: 1 }),
    column("last_us", 8.8, time("last_us"), { grow: 1 }),
    column("ended_us", 8.4, (cell, at) => ended(cell, of("ended_us")(at)), { grow: 1, end: false }),
    column("uid", 7, plain("uid")),
    column("cgroup", 9, plain("cgroup")),
    column("parent", 8, plain("parent")),
  ];
}

function name(cell, shown) {
  text(cell, shown || t("processes.no-name"), shown);
  cell.classList.toggle("without-name", !shown);
}

/** Null where nobody knows the machine's memory: a recording's. */
function ofMemory(cell, value) {
  if (value === null) return text(cell, "–", t("processes.unknown-memory"));
  const shown = Math.abs(value) < TIMES_FROM ? percent(value) : `×\u2009${count(value / 100)}`;
  text(cell, shown, value > 100 ? t("processes.reserved") : "");
  cell.classList.toggle("beyond", value > 100);
}

/** Null where no tap said what came of its calls. */
function failed(cell, value) {
  text(cell, value === null ? "" : count(value));
  cell.classList.toggle("some", value > 0);
}

function ended(cell, value) {
  text(
    cell,
    t(value === null ? "processes.lives" : "processes.has-ended"),
    value === null ? "" : fullTime(value),
  );
  cell.dataset.state = value === null ? "lives" : "ended";
}

/** A share with a bar below it, as long as it is of the biggest. */
function barred(cell, value, most) {
  cell.classList.add("barred");
  text(cell, share(value));
  cell.style.setProperty("--part", String(value > most * HAIR ? value / most : 0));
}
