// Every process: what it holds, what it asked for, how it compares.

import { el, say, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
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
import { Grid, placeholder, text } from "../../lib/grid.js";
import { mark } from "../../lib/inexact.js";
import { t } from "../../lib/language.js";
import { Resource } from "../../lib/resource.js";
import { view } from "../../lib/view.js";
import { order } from "./order.js";

const HAIR = 0.03; // of the biggest share: a shorter line would look like a speck
const WHOLE_FROM = 1000; // percent of the machine's memory: reserved address space costs none
const ENDED = ["false", "true", "all"];
const SAID_BY_SOME = ["vm", "resident", "failed"]; // columns that only some taps fill

export class Processes extends HTMLElement {
  connectedCallback() {
    this.processes = new Resource(() => ["api/v1/processes", { ended: view.get("ended") }]);
    this.processes.addEventListener("change", () => this.#update());
    this.#build();
    feed.addEventListener("data", () => this.processes.refresh());
    view.on(["ended"], () => this.processes.reset());
    view.on(["lang", "find", "sort", "process", "ended"], () => this.#update());
    this.#update();
  }

  #build() {
    this.find = el("input", {
      type: "search",
      sayLabel: "processes.find",
      spellcheck: "false",
      autocomplete: "off",
      on: { input: () => view.set({ find: this.find.value }) },
    });
    this.ended = el(
      "select",
      { sayLabel: "processes.which", on: { change: () => view.set({ ended: this.ended.value }) } },
      ...ENDED.map((value) => el("option", { value, say: `processes.ended-${value}` })),
    );
    this.shown = el("p", { class: "shown", role: "status" });
    this.which = el("p", {
      class: "shown which",
      say: "processes.which-is-which",
      sayTitle: "processes.which-is-which",
      hidden: true,
    });
    this.grid = new Grid({
      columns: this.#columns(),
      keyOf: (at) => this.columns.id[at],
      sayLabel: "processes.heading",
    });
    this.none = placeholder("processes.loading");
    this.append(
      el(
        "section",
        { class: "panel", "aria-labelledby": "processes-heading" },
        el(
          "div",
          { class: "panel-head" },
          el("h2", { id: "processes-heading", say: "processes.heading" }),
          this.shown,
          this.which,
          el("div", { class: "tools" }, this.find, this.ended),
        ),
        el("div", { class: "grid-place" }, this.grid.element, this.none.element),
        el("memtap-process"),
      ),
    );
    this.grid.addEventListener("choose", ({ detail: at }) => this.#choose(String(this.columns.id[at])));
    this.grid.addEventListener("leave", () => view.set({ process: "" }, { push: true }));
    this.grid.addEventListener("sort", ({ detail }) => this.#sort(detail));
  }

  /** A row is its index in the columns. */
  #columns() {
    const of = (key) => (at) => this.columns[key][at];
    const calls = (at) => this.columns.requests[at] + this.columns.releases[at];
    /** What shows a sum of calls; what is only a quotient of such sums is not marked. */
    const sum = (show) => (cell, at) => {
      show(cell, at);
      cell.classList.toggle("inexact", !this.columns.exact[at]);
      if (!this.columns.exact[at]) mark(cell);
    };
    const bytes = (key) => sum((cell, at) => text(cell, megabytes(of(key)(at)), exactBytes(of(key)(at))));
    const held = (key) => (cell, at) => {
      const value = of(key)(at);
      text(cell, megabytesIfKnown(value), value === null ? "" : exactBytes(value));
    };
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
      column("pid", 6.8, (cell, at) => text(cell, String(of("pid")(at)))),
      column("process_name", 9.6, (cell, at) => name(cell, of("process_name")(at)), { grow: 3, end: false }),
      column("balance", 10.6, bytes("balance"), { grow: 2 }),
      column("vm", 10.8, held("vm"), { grow: 2 }),
      column("resident", 9.2, held("resident"), { grow: 2 }),
      column("percentage", 7.6, (cell, at) => ofMemory(cell, of("percentage")(at)), { grow: 1 }),
      column("requested", 10.4, bytes("requested"), { grow: 2 }),
      column("released", 10.4, bytes("released"), { grow: 2 }),
      column("share", 6.8, (cell, at) => barred(cell, of("share")(at), this.mostShare), { grow: 1 }),
      column(
        "calls",
        7,
        sum((cell, at) =>
          text(
            cell,
            count(calls(at)),
            t("processes.kinds", {
              requests: count(of("requests")(at)),
              releases: count(of("releases")(at)),
            }),
          ),
        ),
        { grow: 1 },
      ),
      column("failed", 6.6, sum((cell, at) => failed(cell, of("failed")(at))), { grow: 1 }),
      column("last_us", 8.8, (cell, at) => text(cell, moment(of("last_us")(at)), fullTime(of("last_us")(at))), {
        grow: 1,
      }),
    ];
  }

  #update() {
    if (this.find.value !== view.get("find")) this.find.value = view.get("find");
    this.find.placeholder = t("processes.find");
    this.ended.value = view.get("ended");
    const [, descending, key] = /^(-?)(.*)$/.exec(view.get("sort"));
    this.grid.sorted(key, descending === "-");
    const { value, error } = this.processes;
    if (!value) {
      this.none.show(error ? "processes.unreadable" : "processes.loading");
      setText(this.shown, "");
      return this.grid.show(0, () => null);
    }
    this.columns = value.columns;
    this.#leaveOutUnknown();
    const rows = order(this.columns, { key, descending: descending === "-", find: view.get("find") });
    this.mostShare = this.columns.share.reduce((most, share) => Math.max(most, share), 0);
    this.grid.show(rows.length, (index) => rows[index]);
    this.grid.choose(Number(view.get("process")) || null);
    this.none.show(rows.length ? null : this.columns.id.length ? "processes.none-found" : "processes.none");
    const all = count(this.columns.id.length);
    setText(
      this.shown,
      view.get("find")
        ? t("processes.some", { shown: count(rows.length), all })
        : t("processes.all", { all }),
    );
  }

  #leaveOutUnknown() {
    const unknown = SAID_BY_SOME.filter((key) => this.columns[key].every((said) => said === null));
    this.grid.hide(unknown);
    this.which.hidden = unknown.includes("vm");
    this.classList.toggle("wide", !this.which.hidden);
  }

  #choose(id) {
    view.set({ process: id === view.get("process") ? "" : id }, { push: true });
  }

  #sort(key) {
    const most = `-${key}`;
    const numbers = key !== "process_name" && key !== "pid";
    const first = numbers ? most : key;
    view.set({ sort: view.get("sort") === first ? (numbers ? key : most) : first });
    this.grid.toTop();
  }
}

function name(cell, shown) {
  text(cell, shown || t("processes.no-name"), shown);
  cell.classList.toggle("without-name", !shown);
}

/** Null where nobody knows the machine's memory: a recording's. */
function ofMemory(cell, value) {
  if (value === null) text(cell, "–", t("processes.unknown-memory"));
  else text(cell, percent(value, Math.abs(value) < WHOLE_FROM ? 2 : 0), "");
}

/** Null where no tap said what came of its calls. */
function failed(cell, value) {
  text(cell, value === null ? "" : count(value));
  cell.classList.toggle("some", value > 0);
}

/** A share with a bar below it, as long as it is of the biggest. */
function barred(cell, value, most) {
  cell.classList.add("barred");
  text(cell, share(value));
  cell.style.setProperty("--part", String(value > most * HAIR ? value / most : 0));
}
