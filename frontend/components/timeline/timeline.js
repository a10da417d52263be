// Requested and released per second: of all processes, or of the selected one.

import { chosen } from "../../lib/chosen.js";
import { el, setText, svg } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { moment, sized } from "../../lib/format.js";
import { t } from "../../lib/language.js";
import { Resource } from "../../lib/resource.js";
import { onTheme } from "../../lib/theme.js";
import { view } from "../../lib/view.js";
import { lineChart } from "./line-chart.js";

const FLOWS = ["requested", "released"]; // per second: the chart's two lines
const HELD = ["vm", "resident"]; // of a selected process, where a tap says it
const MINUTES = ["5", "15", "60"];
const SETTLED_S = 2; // calls reach the store within this; the newest call's own second is still filling
const BEHIND_S = 30; // data older than this is no longer "now": the window ends where the data ends

export class Timeline extends HTMLElement {
  connectedCallback() {
    this.history = new Resource(() => this.#request());
    for (const shown of [this.history, chosen]) shown.addEventListener("change", () => this.#update());
    this.#build();
    feed.addEventListener("data", () => this.history.refresh());
    view.on(["process", "minutes"], () => this.history.reset());
    view.on(["lang", "process", "minutes"], () => this.#update());
    onTheme(() => this.chart.restyle());
  }

  #build() {
    this.of = el("span", { class: "of" });
    this.readout = { time: el("span", { class: "time" }) };
    for (const kind of [...FLOWS, ...HELD]) this.readout[kind] = el("output");
    this.minutes = MINUTES.map((minutes) =>
      el("button", { type: "button", "data-minutes": minutes, on: { click: () => view.set({ minutes }) } }),
    );
    this.place = el("div", { class: "chart", role: "img" });
    const key = (kind) =>
      el("li", { "data-kind": kind }, swatch(), el("span", { say: `timeline.${kind}` }), this.readout[kind]);
    const held = (kind) =>
      el(
        "li",
        { class: "held", hidden: true, sayTitle: `timeline.${kind}-title` },
        el("span", { say: `timeline.${kind}` }),
        this.readout[kind],
      );
    this.append(
      el(
        "section",
        { class: "panel", "aria-labelledby": "timeline-heading" },
        el(
          "div",
          { class: "panel-head" },
          el("h2", { id: "timeline-heading" }, el("span", { say: "timeline.heading" }), " ", this.of),
          el("div", { class: "segments", role: "group", sayLabel: "timeline.width" }, ...this.minutes),
        ),
        el("ul", { class: "keys" }, ...FLOWS.map(key), ...HELD.map(held), el("li", {}, this.readout.time)),
        this.place,
      ),
    );
    this.chart = lineChart(this.place, {
      colours: () =>
        FLOWS.map((kind) => getComputedStyle(this.querySelector(`[data-kind="${kind}"] svg`)).color),
      text: () => getComputedStyle(this.of).color,
      grid: () => getComputedStyle(this.place).borderTopColor,
      point: (index) => this.#read(index),
    });
    this.#update();
  }

  #request() {
    if (!feed.status || view.get("process")) return null;
    const [from, to] = this.#window();
    if (from >= to) return null; // the first second is still running
    return ["api/v1/history", { from_us: from * 1e6, to_us: to * 1e6 }, `history of ${view.get("minutes")}`];
  }

  /** [from, to) in whole seconds; seconds that are still filling are left out. */
  #window() {
    const { time_us, totals } = feed.status;
    const now = Math.floor(time_us / 1e6);
    const last = Math.floor((totals.last_us ?? time_us) / 1e6);
    const past = now - last > BEHIND_S || last > now;
    const to = past ? last + 1 : Math.min(now, Math.max(last, now - SETTLED_S));
    const first = Math.floor((totals.first_us ?? time_us) / 1e6);
    return [Math.max(first, to - Number(view.get("minutes")) * 60), to];
  }

  #update() {
    const process = view.get("process");
    for (const button of this.minutes) {
      setText(button, t("timeline.minutes", { minutes: button.dataset.minutes }));
      button.setAttribute("aria-pressed", button.dataset.minutes === view.get("minutes"));
    }
    const { value: answer, error } = process ? chosen : this.history;
    setText(this.of, error ? t("timeline.failed") : about(process, answer));
    if (!answer || !feed.status) return;
    this.columns = everySecond(answer.history ?? answer.columns, ...this.#window());
    this.chart.show([this.columns.second, this.columns.requested, this.columns.released]);
    this.#read(null);
    this.#describe();
  }

  /** Tell the values of a second; of the newest where none is pointed at. */
  #read(index) {
    if (!this.columns) return;
    const at = index ?? this.columns.second.length - 1;
    for (const kind of FLOWS) {
      setText(this.readout[kind], at < 0 ? "" : `${sized(this.columns[kind][at]).join("\u00a0")}/s`);
    }
    for (const kind of HELD) {
      const bytes = this.columns[kind]?.[at] ?? null;
      this.readout[kind].parentElement.hidden = bytes === null;
      setText(this.readout[kind], bytes === null ? "" : sized(bytes).join("\u00a0"));
    }
    setText(this.readout.time, at < 0 ? "" : moment(this.columns.second[at] * 1e6));
  }

  #describe() {
    const { second, requested, released } = this.columns;
    if (!second.length) return;
    const peak = (values) => sized(values.reduce((most, value) => Math.max(most, value), 0)).join(" ");
    const facts = {
      from: moment(second[0] * 1e6),
      to: moment(second.at(-1) * 1e6),
      requested: peak(requested),
      released: peak(released),
    };
    this.place.setAttribute("aria-label", t("timeline.description", facts));
  }
}

/** Whose calls are shown. */
function about(process, answer) {
  if (!process) return t("timeline.of-all");
  return answer ? `${answer.process_name || t("processes.no-name")} · ${answer.pid}` : "…";
}

/** Columns with a row for each second of [from, to): a second without calls is a zero. */
function everySecond(columns, from, to) {
  const length = Math.max(0, to - from);
  const filled = { second: Array.from({ length }, (_, at) => from + at) };
  for (const kind of FLOWS) {
    filled[kind] = new Array(length).fill(0);
    columns.second.forEach((second, at) => {
      if (second >= from && second < to) filled[kind][second - from] = Number(columns[kind][at]);
    });
  }
  for (const kind of HELD) {
    if (columns[kind]) filled[kind] = carried(columns.second, columns[kind], from, to);
  }
  return filled;
}

/** For each second of [from, to) the newest value until then: what is held stays held. Null before the first. */
function carried(seconds, values, from, to) {
  const filled = [];
  let at = 0;
  let newest = null;
  for (let second = from; second < to; second += 1) {
    for (; at < seconds.length && seconds[at] <= second; at += 1) newest = values[at] ?? newest;
    filled.push(newest);
  }
  return filled;
}

function swatch() {
  return svg(
    "svg",
    { viewBox: "0 0 14 10", class: "swatch", "aria-hidden": "true" },
    svg("path", { d: "M1 5h12" }),
  );
}
