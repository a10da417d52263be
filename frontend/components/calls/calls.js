// All calls, newest first: live at the top, older ones page by page below.

import { address } from "../../lib/api.js";
import { fileName } from "../../lib/csv.js";
import { chosen } from "../../lib/chosen.js";
import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import {
  count,
  exactBytes,
  fullTime,
  megabytes,
  megabytesIfKnown,
  moment,
  timeOfDay,
} from "../../lib/format.js";
import { Grid, placeholder, text } from "../../lib/grid.js";
import { t } from "../../lib/language.js";
import { view } from "../../lib/view.js";
import { WINDOW_KEYS, chosenWindow, onWindowData, windowQuery, windowText } from "../../lib/window.js";
import { CallList, PATH } from "./call-list.js";

const LIFE = ["fork", "exec", "exit", "proc"]; // what happens to a process: nothing is asked for
const KINDS = ["", "mmap", "munmap", "mremap", "brk", "shmat", "shmdt", ...LIFE, "mmap2"];
const KINDS_OF_FORMAT_1 = ["", "munmap", "mmap2"];
const SAID_WITH_RESULTS = ["what", "error", "vm"]; // columns that format 1 knows nothing of
const NEAR_END = 5; // rows before the end at which older ones are fetched
const MAPPINGS = ["", "anonymous", "file", "reserved"];
const LEAST_BYTES = ["", 65_536, 1_048_576, 16_777_216, 134_217_728, 1_073_741_824];
const MOST_BYTES = ["", 4096, 65_536, 1_048_576, 16_777_216];
// What came of a call: granted, not granted, or not for one reason (errno of Linux).
const ERRNOS = {
  12: "ENOMEM",
  22: "EINVAL",
  1: "EPERM",
  13: "EACCES",
  11: "EAGAIN",
  17: "EEXIST",
  19: "ENODEV",
  9: "EBADF",
};
const RESULTS = ["", "false", "true", ...Object.keys(ERRNOS)];
const FILTERS = ["process", "call", "kind", "failed", "errno", "min", "max", ...WINDOW_KEYS];

export class Calls extends HTMLElement {
  paused = false;
  away = false; // scrolled down from the newest calls

  connectedCallback() {
    this.filter = () => ({
      process_id: view.get("process"),
      call: view.get("call"),
      kind: view.get("kind"),
      failed: view.get("failed"),
      errno: view.get("errno"),
      min_length: view.get("min"),
      max_length: view.get("max"),
      ...windowQuery(),
    });
    this.list = new CallList(this.filter);
    this.list.addEventListener("change", () => this.#update());
    this.#build();
    chosen.addEventListener("change", () => this.#update());
    feed.addEventListener("format", () => this.#update());
    onWindowData(() => this.#follow());
    view.on(FILTERS, () => this.#refilter());
    view.on(["lang", ...FILTERS], () => this.#update());
    this.#update();
  }

  #build() {
    const choice = (values, name, change) =>
      el(
        "select",
        { sayLabel: name, on: { change: ({ target }) => view.set(change(target.value)) } },
        ...values.map((value) => el("option", { value })),
      );
    this.kind = choice(KINDS, "calls.kind", (call) => ({ call }));
    this.mapping = choice(MAPPINGS, "calls.mapping", (kind) => ({ kind }));
    this.least = choice(LEAST_BYTES, "calls.least", (min) => ({ min }));
    this.most = choice(MOST_BYTES, "calls.most", (max) => ({ max }));
    this.result = choice(RESULTS, "calls.result", (value) =>
      value in ERRNOS ? { failed: "", errno: value } : { failed: value, errno: "" },
    );
    this.keep = el("a", { class: "button", text: "CSV", sayTitle: "calls.csv-title" });
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
    this.window = el("p", { class: "shown" });
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
    this.older = el("button", { type: "button", on: { click: () => this.#showOlder() } });
    this.append(
      el(
        "section",
        { class: "panel", "aria-labelledby": "calls-heading" },
        el(
          "div",
          { class: "panel-head" },
          el("h2", { id: "calls-heading", say: "calls.heading" }),
          this.of,
          this.window,
          el(
            "div",
            { class: "tools" },
            this.kind,
            this.mapping,
            this.least,
            this.most,
            this.result,
            this.pause,
            this.keep,
          ),
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
    this.mapping.hidden = !known && !view.get("kind");
    this.result.hidden = !known && !view.get("failed") && !view.get("errno");
  }

  #update() {
    this.#showWhatIsKnown();
    tellChoices(this.kind, view.get("call"), kindText);
    tellChoices(this.mapping, view.get("kind"), (value) =>
      t(value ? `calls.of-${value}` : "calls.any-mapping"),
    );
    tellChoices(this.least, view.get("min"), (value) =>
      value ? t("calls.at-least", { size: sizeText(value) }) : t("calls.any-length"),
    );
    tellChoices(this.most, view.get("max"), (value) =>
      value ? t("calls.at-most", { size: sizeText(value) }) : t("calls.any-most"),
    );
    tellChoices(this.result, view.get("errno") || view.get("failed"), resultText);
    this.keep.href = address(PATH, { ...this.filter(), format: "csv" });
    this.keep.download = fileName("calls");
    setText(this.window, chosenWindow() ? windowText() : "");
    this.window.hidden = !chosenWindow();
    this.classList.toggle("failed-only", this.result.value !== "" && this.result.value !== "false");
    setText(this.pause, t(this.paused ? "calls.resume" : "calls.pause"));
    this.pause.setAttribute("aria-pressed", this.paused);
    const { rows, error, more, loaded, searched, paging } = this.list;
    const process = chosen.value ?? rows[0];
    this.of.hidden = !view.get("process");
    setText(
      this.of.firstChild,
      process ? `${process.process_name || t("processes.no-name")} · ${process.pid}` : t("calls.one-process"),
    );
    this.grid.show(rows.length, (index) => rows[index]);
    const none = searched === null ? "calls.none" : "calls.none-yet";
    this.none.show(rows.length ? null : error ? "calls.failed" : loaded ? none : "calls.loading");
    setText(this.shown, shownText(rows.length, more, searched));
    setText(this.older, t(paging ? "calls.searching" : searched === null ? "calls.older" : "calls.search-on"));
    this.older.disabled = !more || paging;
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
    column("pid", 6.4, (cell, row) => text(cell, String(row.pid)), { end: true }),
    column(
      "process_name",
      7.8,
      (cell, row) => text(cell, row.process_name || t("processes.no-name"), row.process_name),
      { grow: 1 },
    ),
    column("call", 8.8, showCall),
    column("what", 9, (cell, row) => text(cell, what(row)), { grow: 0.6 }),
    column("length", 11.6, showBytes, { end: true }),
    column("error", 8, showResult),
    column(
      "vm",
      9,
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

function shownText(rows, more, searched) {
  if (searched !== null) return t("calls.searched", { count: count(rows), time: moment(searched) });
  return t(more ? "calls.shown" : "calls.shown-all", { count: count(rows) });
}

function kindText(value) {
  if (LIFE.includes(value)) return `${value} · ${t(`calls.life-${value}`)}`;
  return value || t("calls.any-kind");
}

function resultText(value) {
  if (value in ERRNOS) return ERRNOS[value];
  return t(
    { "": "calls.any-result", true: "calls.failed-only", false: "calls.granted-only" }[value] ??
      "calls.any-result",
  );
}

function tellChoices(select, chosen, tell) {
  // What came by the address may not be among the usual choices.
  if (![...select.options].some(({ value }) => value === chosen))
    select.append(el("option", { value: chosen }));
  for (const option of select.options) setText(option, tell(option.value));
  select.value = chosen;
}

function sizeText(value) {
  const bytes = Number(value);
  if (bytes >= 2 ** 30) return `${bytes / 2 ** 30} GB`;
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MB` : `${bytes / 2 ** 10} KB`;
}
