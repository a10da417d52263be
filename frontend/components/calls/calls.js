// All calls, newest first: live at the top, older ones page by page below.

import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count, exactBytes, fullTime, megabytes, megabytesIfKnown, timeOfDay } from "../../lib/format.js";
import { Grid, placeholder, text } from "../../lib/grid.js";
import { t } from "../../lib/language.js";
import { view } from "../../lib/view.js";
import { CallList } from "./call-list.js";

const LIFE = ["fork", "exec", "exit", "proc"]; // what happens to a process: nothing is asked for
const KINDS = ["", "mmap", "munmap", "mremap", "brk", "shmat", "shmdt", ...LIFE, "mmap2"];
const KINDS_OF_FORMAT_1 = ["", "munmap", "mmap2"];
const SAID_WITH_RESULTS = ["what", "error", "vm"]; // columns that format 1 knows nothing of
const NEAR_END = 5; // rows before the end at which older ones are fetched
const LEAST_BYTES = ["", 65_536, 1_048_576, 16_777_216, 134_217_728];

export class Calls extends HTMLElement {
  paused = false;
  away = false; // scrolled down from the newest calls

  connectedCallback() {
    this.list = new CallList(() => ({
      process_id: view.get("process"),
      call: view.get("call"),
      failed: view.get("failed"),
      min_length: view.get("min"),
    }));
    this.list.addEventListener("change", () => this.#update());
    this.#build();
    feed.addEventListener("data", () => this.#follow());
    view.on(["process", "call", "failed", "min"], () => this.#refilter());
    view.on(["lang", "process", "call", "failed", "min"], () => this.#update());
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
    this.failed = el("button", {
      type: "button",
      class: "failed-only",
      hidden: true,
      say: "calls.failed-only",
      on: { click: () => view.set({ failed: view.get("failed") ? "" : "true" }) },
    });
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
          el("div", { class: "tools" }, this.failed, this.kind, this.least, this.pause),
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

  #showWhatIsKnown() {
    const known = feed.knowsResults;
    this.classList.toggle("wide", known);
    this.grid.hide(known ? [] : SAID_WITH_RESULTS);
    for (const option of this.kind.options) {
      option.hidden = !known && !KINDS_OF_FORMAT_1.includes(option.value);
    }
    this.failed.hidden = !known && !view.get("failed");
    this.failed.setAttribute("aria-pressed", view.get("failed") === "true");
  }

  #update() {
    this.#showWhatIsKnown();
    tellChoices(this.kind, view.get("call"), kindText);
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
    column("time_us", 10.4, (cell, row) => text(cell, timeOfDay(row.time_us), fullTime(row.time_us))),
    column("pid", 7, (cell, row) => text(cell, String(row.pid)), { end: true }),
    column(
      "process_name",
      7.8,
      (cell, row) => text(cell, row.process_name || t("processes.no-name"), row.process_name),
      { grow: 1 },
    ),
    column("call", 8.8, showCall),
    column("what", 10.8, (cell, row) => text(cell, what(row)), { grow: 0.6 }),
    column("length", 11.6, showBytes, { end: true }),
    column("error", 8.2, showResult),
    column(
      "vm",
      10.8,
      (cell, row) => text(cell, megabytesIfKnown(row.vm), row.vm === null ? "" : exactBytes(row.vm)),
      { end: true },
    ),
  ];
}

function showCall(cell, row) {
  cell.dataset.kind = direction(row);
  text(cell, row.call);
}

/** What was asked for; of a call that gave back more than that, what it gave back. */
function showBytes(cell, row) {
  if (LIFE.includes(row.call)) return text(cell, "", "");
  const { length, freed } = row;
  const bytes = direction(row) === "released" && freed !== null ? freed : length;
  const both = freed ? t("calls.asked-and-freed", { asked: count(length), freed: count(freed) }) : "";
  text(cell, count(bytes), [`${megabytes(bytes)} MB`, both].filter(Boolean).join("\n"));
}

/** What the call did to its process's memory. */
function direction({ call, length, freed, errno }) {
  if (errno) return "failed";
  if (LIFE.includes(call)) return "life";
  return ["munmap", "shmdt"].includes(call) || freed > length ? "released" : "requested";
}

/** What was mapped, or what happened to the process. */
function what({ call, kind }) {
  if (LIFE.includes(call)) return t(`calls.life-${call}`);
  return kind === null || kind === "none" ? "" : t(`calls.of-${kind}`);
}

/** Format 1 does not say; who began or ended asked for nothing. */
function showResult(cell, { call, errno, error }) {
  const failed = Boolean(errno);
  const granted = errno === 0 && !LIFE.includes(call);
  text(
    cell,
    failed ? error : granted ? t("calls.granted") : "",
    failed ? t("calls.error-of", { errno }) : "",
  );
  cell.parentElement.classList.toggle("failed", failed);
}

function kindText(value) {
  if (LIFE.includes(value)) return `${value} · ${t(`calls.life-${value}`)}`;
  return value || t("calls.any-kind");
}

function tellChoices(select, chosen, tell) {
  for (const option of select.options) setText(option, tell(option.value));
  select.value = chosen;
}

function leastText(value) {
  const bytes = Number(value);
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MB` : `${bytes / 2 ** 10} KB`;
}
