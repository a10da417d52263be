// Every process: what it holds, what it asked for, how it compares.

import { csv, download, fileName, isoTime } from "../../lib/csv.js";
import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count } from "../../lib/format.js";
import { Grid, placeholder } from "../../lib/grid.js";
import { t } from "../../lib/language.js";
import { modes } from "../../lib/modes.js";
import { Resource } from "../../lib/resource.js";
import { view } from "../../lib/view.js";
import { WINDOW_KEYS, chosenWindow, onWindowData, windowQuery, windowText } from "../../lib/window.js";
import { placeCard } from "../process/card.js";
import { columnChooser } from "./chooser.js";
import { SAID_BY_SOME, USUAL, processColumns } from "./columns.js";
import { order } from "./order.js";

const ENDED = ["false", "true", "all"];
const TIMES = ["first_us", "last_us", "ended_us"];
const BYTES = ["balance", "vm", "resident", "requested", "released"];
const LOWEST_FIRST = ["process_name", "pid", "uid", "cgroup", "parent", "first_us"];

export class Processes extends HTMLElement {
  columns = null; // the API's
  mostShare = 0;

  connectedCallback() {
    this.processes = new Resource(() =>
      view.get("mode") === "table"
        ? ["api/v1/processes", { ended: view.get("ended"), ...windowQuery() }]
        : null,
    );
    this.processes.addEventListener("change", () => this.#update());
    this.#build();
    feed.addEventListener("format", () => this.#update());
    onWindowData(() => this.processes.refresh());
    view.on(["ended", ...WINDOW_KEYS], () => this.processes.reset());
    view.on(["mode"], () => this.processes.refresh());
    const shown = ["lang", "mode", "find", "sort", "process", "ended", "columns", ...WINDOW_KEYS];
    view.on(shown, () => this.#update());
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
    const columns = processColumns(this);
    this.keys = columns.map(({ key }) => key);
    this.chooser = columnChooser(columns, (keys) => this.#chooseColumns(keys));
    const keep = el("button", {
      type: "button",
      text: "CSV",
      sayTitle: "csv.title",
      on: { click: () => this.#keep() },
    });
    this.grid = new Grid({ columns, keyOf: (at) => this.columns.id[at], sayLabel: "processes.heading" });
    this.none = placeholder("processes.loading");
    this.append(
      el(
        "section",
        { class: "panel", "aria-labelledby": "processes-heading" },
        el(
          "div",
          { class: "panel-head" },
          el("h2", { id: "processes-heading", say: "processes.heading" }),
          modes(),
          this.shown,
          el("div", { class: "tools" }, this.find, this.ended, this.chooser.element, keep),
        ),
        el("div", { class: "grid-place" }, this.grid.element, this.none.element),
      ),
    );
    this.grid.addEventListener("choose", ({ detail: at }) => this.#choose(String(this.columns.id[at])));
    this.grid.addEventListener("leave", () => view.set({ process: "" }, { push: true }));
    this.grid.addEventListener("sort", ({ detail }) => this.#sort(detail));
  }

  #update() {
    this.hidden = view.get("mode") !== "table";
    this.classList.toggle("wide", feed.knowsResults);
    if (this.hidden) return;
    placeCard(this.firstChild);
    if (this.find.value !== view.get("find")) this.find.value = view.get("find");
    this.find.placeholder = t("processes.find");
    this.ended.value = view.get("ended");
    const [, descending, key] = /^(-?)(.*)$/.exec(view.get("sort"));
    this.grid.sorted(key, descending === "-");
    const { value, error } = this.processes;
    if (!value) {
      this.none.show(error ? "processes.unreadable" : "processes.loading");
      setText(this.shown, "");
      this.rows = [];
      return this.grid.show(0, () => null);
    }
    this.columns = value.columns;
    this.#leaveOut();
    this.rows = order(this.columns, { key, descending: descending === "-", find: view.get("find") });
    this.mostShare = this.columns.share.reduce((most, share) => Math.max(most, share), 0);
    this.grid.show(this.rows.length, (index) => this.rows[index]);
    this.grid.choose(Number(view.get("process")) || null);
    this.none.show(
      this.rows.length ? null : this.columns.id.length ? "processes.none-found" : "processes.none",
    );
    setText(this.shown, this.#summary());
  }

  /** How many of how many, and of which time the sums are. */
  #summary() {
    const all = count(this.columns.id.length);
    const found = view.get("find")
      ? t("processes.some", { shown: count(this.rows.length), all })
      : t("processes.all", { all });
    return chosenWindow() ? t("processes.of-window", { found, window: windowText() }) : found;
  }

  /** Columns that were not chosen, or that no tap has filled. */
  #leaveOut() {
    const unknown = SAID_BY_SOME.filter((key) => this.columns[key].every((said) => said === null));
    const wanted = this.#wanted().filter((key) => !unknown.includes(key));
    this.grid.hide(this.keys.filter((key) => !wanted.includes(key)));
    this.chooser.tell(wanted, unknown);
  }

  #wanted() {
    const chosen = view.get("columns").split(",");
    const known = this.keys.filter((key) => chosen.includes(key));
    return known.length ? known : USUAL;
  }

  #chooseColumns(keys) {
    const usual = !keys?.length || keys.join() === USUAL.join();
    view.set({ columns: usual ? "" : keys.join() });
  }

  #choose(id) {
    view.set({ process: id === view.get("process") ? "" : id }, { push: true });
  }

  #sort(key) {
    const first = LOWEST_FIRST.includes(key) ? key : `-${key}`;
    const second = LOWEST_FIRST.includes(key) ? `-${key}` : key;
    view.set({ sort: view.get("sort") === first ? second : first });
    this.grid.toTop();
  }

  /** What is shown, to the byte. */
  #keep() {
    if (!feed.status || !this.columns) return;
    const keys = this.grid.shownKeys;
    const head = keys.map((key) => (BYTES.includes(key) ? `${key}_bytes` : key.replace(/_us$/, "")));
    const cell = (key, at) => {
      if (key === "calls") return this.columns.requests[at] + this.columns.releases[at];
      return TIMES.includes(key) ? isoTime(this.columns[key][at]) : this.columns[key][at];
    };
    const rows = this.rows.map((at) => keys.map((key) => cell(key, at)));
    download(fileName("processes"), csv(head, rows));
  }
}
