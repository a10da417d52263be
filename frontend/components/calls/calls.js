// All calls, newest first: live at the top, older ones page by page below.

import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count, fullTime, megabytes, timeOfDay } from "../../lib/format.js";
import { Grid, placeholder, text } from "../../lib/grid.js";
import { t } from "../../lib/language.js";
import { view } from "../../lib/view.js";
import { CallList } from "./call-list.js";

const KINDS = ["", "mmap2", "munmap"];
const NEAR_END = 5; // rows before the end at which older ones are fetched
const LEAST_BYTES = ["", 65_536, 1_048_576, 16_777_216, 134_217_728];

export class Calls extends HTMLElement {
  paused = false;
  away = false; // scrolled down from the newest calls

  connectedCallback() {
    this.list = new CallList(() => ({
      process_id: view.get("process"),
      call: view.get("call"),
      min_length: view.get("min"),
    }));
    this.list.addEventListener("change", () => this.#update());
    this.#build();
    feed.addEventListener("data", () => this.#follow());
    view.on(["process", "call", "min"], () => this.#refilter());
    view.on(["lang", "process", "call", "min"], () => this.#update());
    this.#update();
  }

  #build() {
    const choice = (key, values, name) =>
      el(
        "select",
        { sayLabel: name, on: { change: ({ target }) => view.set({ [key]: target.value }) } },
        ...values.map((value) => el("option", { value })),
      );
    this.kind = choice("call", KINDS, "calls.kind");
    this.least = choice("min", LEAST_BYTES, "calls.least");
    this.pause = el("button", { type: "button", class: "pause", on: { click: () => this.#turnPause() } });
    this.of = el(
      "button",
      {
        type: "button",
        class: "of-process",
        hidden: true,
        sayTitle: "calls.of-all",
        on: { click: () => view.set({ process: "" }, { push: true }) },
      },
      el("span"),
      el("span", { "aria-hidden": "true", text: "×" }),
    );
    this.grid = new Grid({ columns: columns(), keyOf: (row) => row.id, sayLabel: "calls.heading" });
    this.none = placeholder("calls.loading");
    this.newest = el("button", {
      type: "button",
      class: "newest",
      hidden: true,
      say: "calls.to-newest",
      on: { click: () => this.grid.toTop() },
    });
    this.shown = el("p", { class: "shown" });
    this.older = el("button", { type: "button", say: "calls.older", on: { click: () => this.#showOlder() } });
    this.append(
      el(
        "section",
        { class: "panel", "aria-labelledby": "calls-heading" },
        el(
          "div",
          { class: "panel-head" },
          el("h2", { id: "calls-heading", say: "calls.heading" }),
          this.of,
          el("div", { class: "tools" }, this.kind, this.least, this.pause),
        ),
        el("div", { class: "grid-place" }, this.grid.element, this.none.element, this.newest),
        el("div", { class: "panel-foot" }, this.shown, this.older),
      ),
    );
    this.grid.addEventListener("choose", ({ detail: row }) =>
      view.set({ process: String(row.process_id) }, { push: true }),
    );
    this.grid.addEventListener("leave", () => view.set({ process: "" }, { push: true }));
    this.grid.addEventListener("view", () => this.#scrolled());
  }

  /** Older calls are read in peace: nothing moves until the reader is back at the top. */
  #scrolled() {
    const away = this.list.rows.length > 0 && !this.grid.atTop;
    this.newest.hidden = !away;
    if (away !== this.away) {
      this.away = away;
      this.#follow();
    }
    if (away && this.grid.lastInSight >= this.list.rows.length - NEAR_END) this.list.older();
  }

  #follow() {
    this.list.held = this.paused || this.away;
    if (!this.list.held) this.list.refresh();
  }

  #turnPause() {
    this.paused = !this.paused;
    this.#update();
    this.#follow();
  }

  async #showOlder() {
    this.list.held = true;
    const first = this.list.rows.length;
    await this.list.older();
    this.grid.scrollTo(first);
  }

  #refilter() {
    this.list.restart();
    this.grid.toTop();
  }

  #update() {
    tellChoices(this.kind, view.get("call"), (value) => value || t("calls.any-kind"));
    tellChoices(this.least, view.get("min"), (value) =>
      value ? t("calls.at-least", { size: leastText(value) }) : t("calls.any-length"),
    );
    setText(this.pause, t(this.paused ? "calls.resume" : "calls.pause"));
    this.pause.setAttribute("aria-pressed", this.paused);
    const { rows, error, more, loaded, process } = this.list;
    this.of.hidden = !view.get("process");
    setText(
      this.of.firstChild,
      process ? `${process.process_name || t("processes.no-name")} · ${process.pid}` : t("calls.one-process"),
    );
    this.grid.show(rows.length, (index) => rows[index]);
    this.none.show(rows.length ? null : error ? "calls.failed" : loaded ? "calls.none" : "calls.loading");
    setText(this.shown, t(more ? "calls.shown" : "calls.shown-all", { count: count(rows.length) }));
    this.older.disabled = !more;
  }
}

function columns() {
  const column = (key, width, show, more = {}) => ({
    key,
    width,
    show,
    say: `calls.${key}`,
    sayTitle: `calls.${key}-title`,
    ...more,
  });
  return [
    column("time_us", 10.6, (cell, row) => text(cell, timeOfDay(row.time_us), fullTime(row.time_us))),
    column("pid", 7, (cell, row) => text(cell, String(row.pid)), { end: true }),
    column(
      "process_name",
      8,
      (cell, row) => text(cell, row.process_name || t("processes.no-name"), row.process_name),
      { grow: 1 },
    ),
    column("call", 8.8, showKind),
    column("length", 11.6, (cell, row) => text(cell, count(row.length), `${megabytes(row.length)} MB`), {
      end: true,
    }),
  ];
}

function showKind(cell, row) {
  cell.dataset.kind = row.call === "munmap" ? "released" : "requested";
  text(cell, row.call);
}

function tellChoices(select, chosen, tell) {
  for (const option of select.options) setText(option, tell(option.value));
  select.value = chosen;
}

function leastText(value) {
  const bytes = Number(value);
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MB` : `${bytes / 2 ** 10} KB`;
}
