// Two moments side by side: what grew, what shrank, what appeared and what ended between them.

import { csv, download, fileName } from "../../lib/csv.js";
import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count, exactBytes, megabytes, moment, sized } from "../../lib/format.js";
import { Grid, placeholder, text } from "../../lib/grid.js";
import { mark } from "../../lib/inexact.js";
import { t } from "../../lib/language.js";
import { modes } from "../../lib/modes.js";
import { Resource } from "../../lib/resource.js";
import { view } from "../../lib/view.js";
import { WINDOW_KEYS, chosenWindow, onWindowData } from "../../lib/window.js";
import { placeCard } from "../process/card.js";

const STATES = ["grew", "shrank", "appeared", "ended", "unknown"];
const SIGNS = { grew: "▲", shrank: "▼", appeared: "+", ended: "×", unknown: "?" };
// Where there is room for three columns alone: what, who, how much.
const NARROW = matchMedia("(width < 480px)");
const NOT_NARROW = ["pid", "before", "after"];
const ABSENT = { before: "appeared", after: "ended" }; // the state of a process that was not there

export class Compare extends HTMLElement {
  columns = null; // the API's

  connectedCallback() {
    this.comparison = new Resource(() => this.#request());
    this.comparison.addEventListener("change", () => this.#update());
    this.#build();
    feed.addEventListener("format", () => this.#update());
    onWindowData(() => this.comparison.refresh());
    view.on([...WINDOW_KEYS, "minutes", "held"], () => this.comparison.reset());
    view.on(["mode"], () => this.comparison.refresh());
    view.on(["lang", "mode", "order", "change", "held", "find", "process", ...WINDOW_KEYS], () =>
      this.#update(),
    );
    this.#update();
  }

  /** [first, second] moment in seconds: the chosen window's edges, else the shown time line's. */
  #moments() {
    const chosen = chosenWindow();
    if (chosen) return chosen;
    const { time_us, totals } = feed.status;
    const last = Math.floor(Math.min(totals.last_us ?? time_us, time_us) / 1e6) + 1;
    const first = Math.floor((totals.first_us ?? time_us) / 1e6) + 1;
    return [Math.min(last, Math.max(first, last - Number(view.get("minutes")) * 60)), last];
  }

  #request() {
    if (!feed.status || view.get("mode") !== "compare") return null;
    const [at, other] = this.#moments().map((second) => second * 1e6);
    const about = [...WINDOW_KEYS, "minutes", "held"].map((key) => view.get(key)).join();
    return ["api/v1/compare", { at, with: other, of: view.get("held"), limit: 10_000 }, `compare ${about}`];
  }

  #build() {
    this.moments = el("p", { class: "shown", role: "status" });
    this.states = STATES.map((state) =>
      el("button", {
        type: "button",
        "data-state": state,
        on: { click: () => view.set({ change: view.get("change") === state ? "" : state }) },
      }),
    );
    this.held = ["balance", "vm"].map((held) =>
      el("button", {
        type: "button",
        "data-held": held,
        say: `compare.held-${held}`,
        sayTitle: `compare.held-${held}-title`,
        on: { click: () => view.set({ held }) },
      }),
    );
    this.choice = el("div", { class: "segments", role: "group", sayLabel: "compare.held" }, ...this.held);
    const keep = el("button", {
      type: "button",
      text: "CSV",
      sayTitle: "csv.title",
      on: { click: () => this.#keep() },
    });
    this.grid = new Grid({
      columns: this.#columns(),
      keyOf: (at) => this.columns.id[at],
      sayLabel: "compare.heading",
    });
    const fit = () => this.grid.hide(NARROW.matches ? NOT_NARROW : []);
    NARROW.addEventListener("change", () => {
      fit();
      this.grid.draw();
    });
    fit();
    this.none = placeholder("compare.loading");
    this.sum = el("p", { class: "shown" });
    this.foot = el("div", { class: "panel-foot" }, this.sum);
    this.append(
      el(
        "section",
        { class: "panel", "aria-labelledby": "compare-heading" },
        el(
          "div",
          { class: "panel-head" },
          el("h2", { id: "compare-heading", say: "compare.heading" }),
          modes(),
          this.choice,
          this.moments,
          el(
            "div",
            { class: "tools" },
            el("div", { class: "states", role: "group", sayLabel: "compare.states" }, ...this.states),
            keep,
          ),
        ),
        el("div", { class: "grid-place" }, this.grid.element, this.none.element),
        this.foot,
      ),
    );
    this.grid.addEventListener("choose", ({ detail: at }) => {
      const id = String(this.columns.id[at]);
      view.set({ process: id === view.get("process") ? "" : id }, { push: true });
    });
    this.grid.addEventListener("leave", () => view.set({ process: "" }, { push: true }));
    this.grid.addEventListener("sort", ({ detail: key }) => {
      const numbers = !["pid", "process_name", "state"].includes(key);
      const [first, second] = numbers ? [`-${key}`, key] : [key, `-${key}`];
      view.set({ order: view.get("order") === first ? second : first });
      this.grid.toTop();
    });
  }

  /** A row is its index in the columns. */
  #columns() {
    const of = (key) => (at) => this.columns[key][at];
    const bytes = (key) => (cell, at) => {
      const value = of(key)(at);
      if (value === null && of("state")(at) === ABSENT[key]) return text(cell, "–", t(`compare.no-${key}`));
      showBytes(cell, value, megabytes, this.columns.exact[at]);
    };
    const column = (key, width, show, more = {}) => ({
      key,
      width,
      show,
      say: `compare.${key}`,
      sayTitle: `compare.${key}-title`,
      sortable: true,
      ...more,
    });
    return [
      column("state", 10.4, (cell, at) => showState(cell, of("state")(at))),
      column("pid", 7, (cell, at) => text(cell, String(of("pid")(at))), { end: true }),
      column(
        "process_name",
        8,
        (cell, at) => text(cell, of("process_name")(at) || t("processes.no-name"), of("process_name")(at)),
        { grow: 2 },
      ),
      column("before", 11, bytes("before"), { end: true, grow: 1 }),
      column("after", 11, bytes("after"), { end: true, grow: 1 }),
      column("change", 10.4, (cell, at) => this.#showChange(cell, at), { end: true, grow: 1 }),
    ];
  }

  #showChange(cell, at) {
    const value = this.columns.change[at];
    const signed = (bytes) => `${Number(bytes) > 0 ? "+" : ""}${megabytes(bytes)}`;
    showBytes(cell, value, signed, this.columns.exact[at]);
    cell.style.setProperty("--part", String(this.most ? Math.abs(Number(value)) / this.most : 0));
    cell.dataset.sign = Number(value) < 0 ? "less" : "more";
  }

  #update() {
    this.hidden = view.get("mode") !== "compare";
    this.classList.toggle("wide", feed.knowsResults);
    if (this.hidden) return;
    // What never said vm cannot be compared by it.
    this.choice.hidden = !feed.knowsResults && view.get("held") === "balance";
    for (const button of this.held) {
      button.setAttribute("aria-pressed", button.dataset.held === view.get("held"));
    }
    placeCard(this.firstChild, this.foot);
    const { value, error } = this.comparison;
    const [, descending, key] = /^(-?)(.*)$/.exec(view.get("order"));
    this.grid.sorted(key, descending === "-");
    if (feed.status) setText(this.moments, this.#momentsText());
    this.#tellStates(value?.states);
    if (!value) {
      this.none.show(error ? "compare.unreadable" : "compare.loading");
      setText(this.sum, "");
      this.rows = [];
      return this.grid.show(0, () => null);
    }
    this.columns = value.columns;
    this.rows = ordered(this.columns, { key, descending: descending === "-", state: view.get("change") });
    this.most = this.columns.change.reduce((most, change) => Math.max(most, Math.abs(Number(change))), 0);
    this.grid.show(this.rows.length, (index) => this.rows[index]);
    this.grid.choose(Number(view.get("process")) || null);
    this.none.show(this.rows.length ? null : "compare.none");
    const size = (bytes) => sized(bytes).join("\u00a0");
    const { before, after, change } = value.totals;
    const signed = `${Number(change) > 0 ? "+" : ""}${size(change)}`;
    const sum = t("compare.sum", { before: size(before), after: size(after), change: signed });
    const without = this.columns.change.filter((known) => known === null).length;
    setText(this.sum, without ? t("compare.sum-without", { sum, count: count(without) }) : sum);
  }

  #momentsText() {
    const [before, after] = this.#moments().map((second) => moment(second * 1e6));
    return t(chosenWindow() ? "compare.of" : "compare.of-now", { before, after });
  }

  #tellStates(states) {
    for (const button of this.states) {
      const { state } = button.dataset;
      setText(
        button,
        `${SIGNS[state]} ${t(`compare.state-${state}`)} ${states ? count(states[state]) : ""}`.trim(),
      );
      button.setAttribute("aria-pressed", view.get("change") === state);
      button.hidden = state === "unknown" && !states?.unknown && view.get("change") !== state;
    }
  }

  #keep() {
    if (!this.columns) return;
    const keys = ["state", "pid", "process_name", "before", "after", "change"];
    const head = ["state", "pid", "process_name", "before_bytes", "after_bytes", "change_bytes"];
    const rows = this.rows.map((at) => keys.map((key) => this.columns[key][at]));
    download(fileName("compare"), csv(head, rows));
  }
}

function showBytes(cell, value, tell, exact) {
  if (value === null) return text(cell, "?", t("compare.not-known"));
  text(cell, tell(value), exactBytes(value));
  if (!exact) mark(cell);
}

function showState(cell, state) {
  text(cell, `${SIGNS[state]} ${t(`compare.state-${state}`)}`);
  cell.dataset.state = state;
}

/** Indices of the rows of one state, or of all, sorted; a change by its size. */
function ordered(columns, { key, descending, state }) {
  const rows = columns.id.map((_, at) => at).filter((at) => !state || columns.state[at] === state);
  const size = (value) => (value === null ? -Infinity : key === "change" ? Math.abs(Number(value)) : value);
  const values = (columns[key] ?? columns.change).map(size);
  const sign = descending ? -1 : 1;
  return rows.sort((a, b) => (values[a] < values[b] ? -sign : values[a] > values[b] ? sign : a - b));
}
