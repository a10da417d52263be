// What was requested, released, called, refused and lost over time: of all processes, or of the selected one.

import { address } from "../../lib/api.js";
import { chosen } from "../../lib/chosen.js";
import { fileName } from "../../lib/csv.js";
import { el, setText, svg } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count, duration, moment, rate, sized, tick, tickCount } from "../../lib/format.js";
import { t } from "../../lib/language.js";
import { Resource } from "../../lib/resource.js";
import { onTheme } from "../../lib/theme.js";
import { view } from "../../lib/view.js";
import { WINDOW_KEYS, chooseWindow, chosenWindow, onDataUntil, windowText } from "../../lib/window.js";
import { brush } from "./brush.js";
import { everyStep, spansOf } from "./steps.js";
import { timeChart } from "./time-chart.js";
import { times } from "./times.js";

const PANES = { flow: ["requested", "released"], held: ["vm", "resident"], calls: ["calls", "failed"] };
const KINDS = Object.values(PANES).flat();
const MINUTES = ["5", "15", "60", "360", "1440", "43200"];
const SECOND_BY_SECOND = 60; // minutes until which every second is a point
const POINTS = 1000; // of wider ones
const SETTLED_S = 2; // calls reach the store within this; the newest call's own second is still filling
const BEHIND_S = 30; // data older than this is no longer "now": the time line ends where the data ends
const FAR = 10; // points that Page Up and Page Down go
const POWERS_OF_2 = Array.from({ length: 70 }, (_, power) => 2 ** power);

export class Timeline extends HTMLElement {
  /** Index of the point that is read; null for the newest. */
  at = null;
  /** Index of the point from which the keyboard brushes. */
  anchor = null;

  connectedCallback() {
    this.timeline = new Resource(() => this.#request());
    for (const shown of [this.timeline, chosen]) shown.addEventListener("change", () => this.#update());
    this.#build();
    onDataUntil(
      () => (view.get("at") ? Number(view.get("at")) : undefined),
      () => this.timeline.refresh(),
    );
    view.on(["process", "minutes", "at"], () => this.timeline.refresh());
    view.on(["lang", "process", "minutes", "at", ...WINDOW_KEYS], () => this.#update());
    onTheme(() => Object.values(this.charts).forEach((chart) => chart.restyle()));
  }

  #build() {
    this.of = el("span", { class: "of" });
    this.readout = { time: el("span", { class: "time" }), lost: el("span", { class: "value" }) };
    for (const kind of KINDS) this.readout[kind] = el("span", { class: "value" });
    this.minutes = MINUTES.map((minutes) =>
      el("button", { type: "button", "data-minutes": minutes, on: { click: () => this.#show(minutes) } }),
    );
    this.range = el(
      "select",
      { sayLabel: "timeline.width", class: "narrow", on: { change: () => this.#show(this.range.value) } },
      ...MINUTES.map((value) => el("option", { value })),
    );
    this.earlier = el("button", {
      type: "button",
      class: "icon bordered",
      sayLabel: "timeline.earlier",
      sayTitle: "timeline.earlier",
      text: "‹",
      on: { click: () => this.#pan(-1) },
    });
    this.later = el("button", {
      type: "button",
      class: "icon bordered",
      sayLabel: "timeline.later",
      sayTitle: "timeline.later",
      text: "›",
      on: { click: () => this.#pan(1) },
    });
    this.keep = el("a", { class: "button", text: "CSV", sayTitle: "timeline.csv-title" });
    this.panes = Object.fromEntries(
      Object.keys(PANES).map((pane) => [pane, el("div", { class: "chart", role: "img", "data-pane": pane })]),
    );
    this.panes.held.hidden = true;
    this.place = el(
      "div",
      {
        class: "charts",
        tabindex: 0,
        role: "group",
        sayLabel: "timeline.charts",
        "aria-describedby": "timeline-hint",
        on: { keydown: (event) => this.#key(event), blur: () => this.#leave() },
      },
      ...Object.values(this.panes),
    );
    this.hint = el("p", { class: "hint", id: "timeline-hint", say: "timeline.hint" });
    this.window = el("p", { class: "window", role: "status" });
    this.live = el("button", {
      type: "button",
      class: "strong",
      say: "timeline.live",
      on: { click: () => chooseWindow(null) },
    });
    this.compare = el("button", {
      type: "button",
      say: "timeline.compare",
      on: { click: () => this.#compare() },
    });
    this.times = times();
    this.append(
      el(
        "section",
        { class: "panel", "aria-labelledby": "timeline-heading" },
        el(
          "div",
          { class: "panel-head" },
          el("h2", { id: "timeline-heading" }, el("span", { say: "timeline.heading" }), " ", this.of),
          el(
            "div",
            { class: "tools" },
            el(
              "div",
              { class: "segments wide-only", role: "group", sayLabel: "timeline.width" },
              ...this.minutes,
            ),
            this.range,
            this.earlier,
            this.later,
            this.keep,
          ),
        ),
        this.#keys(),
        this.place,
        el(
          "div",
          { class: "panel-foot window-bar" },
          this.hint,
          this.window,
          el("div", { class: "tools" }, this.times.element, this.compare, this.live),
        ),
      ),
    );
    this.charts = {
      flow: this.#chart("flow", { tick, increments: POWERS_OF_2 }),
      calls: this.#chart("calls", { tick: tickCount, times: true }),
      held: this.#chart("held", { tick, increments: POWERS_OF_2 }),
    };
    this.brushing = brush(this.place, {
      span: () => this.charts.flow.span(),
      letGo: () => this.#update(),
      choose: (from, to) => this.#choose(...[from, to].map((x) => this.charts.flow.secondAt(x))),
    });
    this.#update();
  }

  #keys() {
    const key = (kind) =>
      el(
        "li",
        { "data-kind": kind, sayTitle: `timeline.${kind}-title` },
        swatch(kind),
        el("span", { say: `timeline.${kind}` }),
        this.readout[kind],
      );
    this.keys = Object.fromEntries([...KINDS, "lost"].map((kind) => [kind, key(kind)]));
    return el(
      "ul",
      { class: "keys" },
      ...Object.values(this.keys),
      el("li", { class: "of-time" }, this.readout.time),
    );
  }

  #chart(pane, options) {
    const colour = (kind) => getComputedStyle(this.keys[kind].querySelector("svg")).color;
    const css = (element, property) => getComputedStyle(element)[property];
    return timeChart(this.panes[pane], {
      ...options,
      series: () =>
        PANES[pane].map((kind, at) => {
          const stroke = colour(kind);
          return {
            stroke,
            fill: at === 0 ? faded(stroke, 0.14) : undefined,
            width: kind === "failed" ? 2.25 : 1.75,
          };
        }),
      colours: () => ({
        text: css(this.of, "color"),
        grid: css(this.place, "borderTopColor"),
        window: css(this.live, "borderTopColor"),
        veiled: faded(css(this.querySelector(".panel"), "backgroundColor"), 0.66),
        lost: colour("lost"),
        failed: faded(colour("failed"), 0.16),
      }),
      point: (index) => this.#read((this.at = index)),
    });
  }

  #request() {
    if (!feed.status) return null;
    const [from, to] = this.#span();
    if (from >= to) return null; // the first second is still running
    const minutes = Number(view.get("minutes"));
    const points = minutes <= SECOND_BY_SECOND ? minutes * 60 : POINTS;
    const query = { from_us: from * 1e6, to_us: to * 1e6, points, process_id: view.get("process") };
    const about = ["process", "minutes", "at"].map((key) => view.get(key)).join();
    return ["api/v1/timeline", query, about];
  }

  /** [from, to) in whole seconds; seconds that are still filling are left out. */
  #span() {
    const { time_us, totals } = feed.status;
    const first = Math.floor((totals.first_us ?? time_us) / 1e6);
    const to = view.get("at") ? Number(view.get("at")) : newest(feed.status);
    return [Math.max(first, to - Number(view.get("minutes")) * 60), to];
  }

  #show(minutes) {
    view.set({ minutes });
  }

  /** By half of what is shown, no further than there is anything. */
  #pan(direction) {
    const [, to] = this.#span();
    const first = Math.floor(feed.status.totals.first_us / 1e6);
    const range = Number(view.get("minutes")) * 60;
    const end = Math.max(Math.min(first + range, newest(feed.status)), to + (direction * range) / 2);
    const live = end >= newest(feed.status);
    view.set(
      { at: live && !chosenWindow() ? "" : String(Math.min(end, newest(feed.status))) },
      { push: true },
    );
  }

  #choose(from, to) {
    const last = this.columns.second.at(-1); // the plot ends where the last step begins: its edge means all of it
    const end = to >= last ? last + this.step : Math.ceil(to);
    const seconds = [Math.floor(from), Math.max(end, Math.floor(from) + 1)];
    chooseWindow(seconds, Math.min(last + this.step, this.#span()[1]));
  }

  #compare() {
    view.set({ mode: "compare" }, { push: true });
    document.querySelector("memtap-compare").scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    const last = (this.columns?.second.length ?? 0) - 1;
    if (event.target !== this.place || last < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      PageUp: -FAR,
      PageDown: FAR,
      Home: -Infinity,
      End: Infinity,
    };
    if (event.key in steps) {
      const before = this.at ?? last;
      const at = Math.min(last, Math.max(0, before + steps[event.key]));
      for (const chart of Object.values(this.charts)) chart.move(at);
      this.#read((this.at = at));
      this.anchor = event.shiftKey ? (this.anchor ?? before) : null;
      if (event.shiftKey) {
        const [from, to] = [this.anchor, at].sort((a, b) => a - b).map((index) => this.columns.second[index]);
        this.#choose(from, to + this.step);
      }
    } else if (event.key === "Escape" && chosenWindow()) chooseWindow(null);
    else return;
    event.preventDefault();
  }

  #leave() {
    this.anchor = null;
  }

  #update() {
    this.#tellChoices();
    const { value: answer, error } = this.timeline;
    const process = view.get("process");
    setText(this.of, error ? t("timeline.unreadable") : about(process));
    // A brush began at a second of what is drawn: that stays until its end.
    if (!answer || !feed.status || this.brushing?.()) return;
    this.step = answer.step;
    const end = Math.min(answer.window.to_us / 1e6, feed.status.time_us / 1e6);
    this.columns = everyStep(answer, end);
    this.losses = lossSpans(answer.losses);
    const [path, query] = this.#request() ?? [];
    if (path) this.keep.href = address(path, { ...query, format: "csv" });
    this.keep.download = fileName("timeline");
    this.#draw(Boolean(process));
    this.#read(this.at);
    this.#describe();
  }

  #tellChoices() {
    for (const button of this.minutes) {
      setText(button, widthText(button.dataset.minutes));
      button.setAttribute("aria-pressed", button.dataset.minutes === view.get("minutes"));
    }
    for (const option of this.range.options) setText(option, widthText(option.value));
    this.range.value = view.get("minutes");
    const window = chosenWindow();
    const still = Boolean(window || view.get("at"));
    this.later.disabled = !view.get("at");
    this.hint.hidden = Boolean(window);
    this.window.hidden = !window;
    this.compare.hidden = !window;
    this.live.hidden = !still;
    if (window) {
      const facts = { window: windowText(), duration: duration(window[1] - window[0]) };
      setText(this.window, t("timeline.window", facts));
    }
  }

  #draw(ofProcess) {
    const { columns, step } = this;
    const nothing = columns.second.map(() => null);
    const failed = columns.failed ?? nothing;
    this.keys.failed.hidden = columns.failed === null;
    const held = ofProcess && columns.vm !== null;
    this.panes.held.hidden = !held;
    for (const kind of PANES.held) this.keys[kind].hidden = !held || columns[kind] === null;
    const spans = {
      lost: this.losses.map(({ from, to }) => [from, to]),
      failed: [],
      window: chosenWindow(),
    };
    const { second } = columns;
    this.charts.flow.show([second, columns.requested, columns.released], spans);
    const refused = spansOf(failed, second, step);
    this.charts.calls.show([second, columns.calls, failed], { ...spans, failed: refused });
    if (held) this.charts.held.show([second, columns.vm ?? nothing, columns.resident ?? nothing], spans);
  }

  /** Tell the values of a point; of the newest where none is pointed at. */
  #read(index) {
    if (!this.columns) return;
    const { columns, step } = this;
    const at = Math.min(index ?? Infinity, columns.second.length - 1);
    const tell = (kind, shown) =>
      setText(this.readout[kind], at < 0 ? "" : shown(columns[kind]?.[at] ?? null));
    const bytes = (value) => (value === null ? "" : sized(Math.round(value)).join("\u00a0"));
    for (const kind of PANES.flow) tell(kind, (value) => `${bytes(value)}/s`);
    for (const kind of PANES.calls) tell(kind, (value) => (value === null ? "" : `${rate(value)}/s`));
    for (const kind of PANES.held) tell(kind, bytes);
    const second = columns.second[at];
    setText(this.readout.time, at < 0 ? "" : timeText(second, step));
    const lost = this.losses.filter(
      ({ from, to }) => index !== null && from <= second + step && to >= second,
    );
    this.keys.lost.hidden = this.losses.length === 0;
    setText(this.readout.lost, (lost.length ? lost : this.losses).map(lossText).slice(0, 2).join(", "));
    this.keys.lost.title = lost.map(({ detail }) => detail).join("\n");
  }

  #describe() {
    const { columns } = this;
    if (!columns.second.length) return;
    const most = (values) => (values ?? []).reduce((peak, value) => Math.max(peak, value ?? 0), 0);
    const peak = (values) => sized(Math.round(most(values))).join(" ");
    const [from, to] = [columns.second[0], columns.second.at(-1)].map((second) => moment(second * 1e6));
    const describe = (pane, facts) =>
      this.panes[pane].setAttribute("aria-label", t(`timeline.description-${pane}`, { from, to, ...facts }));
    describe("flow", { requested: peak(columns.requested), released: peak(columns.released) });
    describe("calls", {
      calls: count(most(columns.calls)),
      failed: count(most(columns.failed)),
      losses: count(this.losses.length),
    });
    describe("held", { vm: peak(columns.vm), resident: peak(columns.resident) });
  }
}

/** The second at which the time line ends while it is live. */
function newest({ time_us, totals }) {
  const now = Math.floor(time_us / 1e6);
  const last = Math.floor((totals.last_us ?? time_us) / 1e6);
  const past = now - last > BEHIND_S || last > now;
  return past ? last + 1 : Math.min(now, Math.max(last, now - SETTLED_S));
}

function lossSpans({ from_us, to_us, cause, events, detail }) {
  return from_us.map((from, at) => ({
    from: from / 1e6,
    to: to_us[at] / 1e6,
    cause: cause[at],
    events: events[at],
    detail: detail[at],
  }));
}

function lossText({ cause, events }) {
  return `${events ? count(events) : "?"} ${t(`cause.${cause}`)}`;
}

/** Whose calls are shown. */
function about(process) {
  if (!process) return t("timeline.of-all");
  const { value } = chosen;
  return value ? `${value.process_name || t("processes.no-name")} · ${value.pid}` : "…";
}

function widthText(minutes) {
  return duration(Number(minutes) * 60);
}

function timeText(second, step) {
  return step > 1 ? `${moment(second * 1e6)} + ${duration(step)}` : moment(second * 1e6);
}

/** An rgb() colour with less of it. */
function faded(colour, part) {
  return colour.replace(/^rgb\(/, "rgba(").replace(/\)$/, `, ${part})`);
}

function swatch(kind) {
  const mark = kind === "lost" ? "M1 9 5 1M5 9 9 1M9 9l4-8" : "M1 5h12";
  return svg(
    "svg",
    { viewBox: "0 0 14 10", class: "swatch", "aria-hidden": "true" },
    svg("path", { d: mark }),
  );
}
