// Who has how much of it: as a ring or a treemap, by process, name, user or cgroup, and always of what.

import { el, say, setText, svg } from "../../lib/dom.js";
import { download, csv, fileName } from "../../lib/csv.js";
import { feed } from "../../lib/feed.js";
import { count, exactBytes, share, sized } from "../../lib/format.js";
import { t } from "../../lib/language.js";
import { Resource } from "../../lib/resource.js";
import { onTheme } from "../../lib/theme.js";
import { view } from "../../lib/view.js";
import { WINDOW_KEYS, chosenWindow, onWindowData, windowQuery, windowText } from "../../lib/window.js";
import { arcs } from "./pie.js";
import { drawTreemap } from "./treemap.js";

const BY = ["process", "name", "user", "cgroup"];
const OF = ["requested", "released", "vm", "resident"];
const SHAPES = ["pie", "treemap"];
const OF_NOW = ["vm", "resident"]; // what is held now, whatever window is chosen
const MOST_SLICES = 9; // beside "other": more colours cannot be told apart
const SMALLEST = 0.004; // of 1: thinner slices cannot be seen

export class Shares extends HTMLElement {
  connectedCallback() {
    this.shares = new Resource(() => ["api/v1/shares", this.#query()]);
    this.shares.addEventListener("change", () => this.#update());
    this.#build();
    onWindowData(() => this.shares.refresh());
    view.on(["shares", "of", ...WINDOW_KEYS], () => this.shares.refresh());
    view.on(["lang", "shares", "of", "shape", "process", ...WINDOW_KEYS], () => this.#update());
    onTheme(() => this.#update());
    new ResizeObserver(() => this.#update()).observe(this.map);
    this.#update();
  }

  #query() {
    const of = view.get("of");
    return { by: view.get("shares"), of, limit: MOST_SLICES, ...(OF_NOW.includes(of) ? {} : windowQuery()) };
  }

  #build() {
    const segments = (key, values, sayLabel) => {
      const buttons = values.map((value) =>
        el("button", {
          type: "button",
          "data-value": value,
          say: `${key}.${value}`,
          on: { click: () => view.set({ [key]: value }) },
        }),
      );
      return { buttons, element: el("div", { class: "segments", role: "group", sayLabel }, ...buttons) };
    };
    this.by = segments("shares", BY, "shares.by");
    this.shapes = segments("shape", SHAPES, "shares.shape");
    this.of = el(
      "select",
      { sayLabel: "shares.of", on: { change: () => view.set({ of: this.of.value }) } },
      ...OF.map((value) => el("option", { value, say: `of.${value}` })),
    );
    this.pie = svg("svg", { viewBox: "-100 -100 200 200", class: "pie", role: "img" });
    this.sum = [svg("text", { class: "sum", y: -2 }), svg("text", { class: "sum-of", y: 16 })];
    this.map = el("div", { class: "treemap", role: "img" });
    this.legend = el("ol", { class: "legend", sayLabel: "shares.legend" });
    this.explanation = el("p", { class: "explanation" });
    this.warning = el("p", { class: "explanation reserved", hidden: true, say: "shares.reserved" });
    this.none = el("p", { class: "none", role: "status", say: "shares.loading" });
    const keep = el("button", {
      type: "button",
      text: "CSV",
      sayTitle: "csv.title",
      on: { click: () => this.#keep() },
    });
    this.append(
      el(
        "section",
        { class: "panel", "aria-labelledby": "shares-heading" },
        el(
          "div",
          { class: "panel-head" },
          el("h2", { id: "shares-heading", say: "shares.heading" }),
          this.of,
          el("div", { class: "tools" }, this.shapes.element, keep),
        ),
        el("div", { class: "by" }, this.by.element),
        this.explanation,
        this.warning,
        this.none,
        el("div", { class: "shape-and-legend" }, this.pie, this.map, this.legend),
      ),
    );
    this.addEventListener("pointerover", ({ target }) =>
      this.#mark(target.closest("[data-slice]")?.dataset.slice),
    );
    this.addEventListener("pointerleave", () => this.#mark());
    for (const shape of [this.pie, this.map]) {
      shape.addEventListener("click", ({ target }) => {
        const slice = this.slices[target.closest("[data-slice]")?.dataset.slice];
        if (slice && followable(slice)) this.#follow(slice);
      });
    }
  }

  #update() {
    const pressed = ({ buttons }, value) =>
      buttons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.value === value));
    pressed(this.by, view.get("shares"));
    pressed(this.shapes, view.get("shape"));
    this.of.value = view.get("of");
    const { value: answer, error } = this.shares;
    const empty = answer && !Number(answer.total);
    this.none.hidden = Boolean(answer && !empty);
    say(this.none, error && !answer ? "shares.unreadable" : empty ? "shares.none" : "shares.loading");
    for (const part of [this.pie, this.map, this.legend, this.explanation]) part.hidden = !answer || empty;
    this.warning.hidden = true;
    if (!answer || empty) return;
    this.slices = slicesOf(answer);
    this.#tellWhat(answer);
    const treemap = view.get("shape") === "treemap";
    this.pie.toggleAttribute("hidden", treemap);
    this.map.hidden = !treemap;
    if (treemap) drawTreemap(this.map, this.slices);
    else this.pie.replaceChildren(...arcs(this.slices), ...this.sum);
    this.#list();
  }

  /** Of what the slices are shares. */
  #tellWhat(answer) {
    const [number, unit] = sized(answer.total);
    const size = `${number}\u00a0${unit}`;
    const processes = [...answer.columns.processes, answer.other.processes].reduce(
      (sum, some) => sum + some,
      0,
    );
    const now = OF_NOW.includes(answer.of);
    setText(this.sum[0], size);
    setText(this.sum[1], t(`of.${answer.of}`).toLowerCase());
    const facts = { size, processes: count(processes), window: windowText() };
    const when = now ? "now" : chosenWindow() ? "window" : "since";
    setText(this.explanation, t(`shares.${when}-${answer.of}`, facts));
    const shape = view.get("shape") === "treemap" ? this.map : this.pie;
    shape.setAttribute("aria-label", t("shares.description", { what: this.explanation.textContent }));
    // More than there is can only be address space: say so, rather than let it look like memory.
    const memory = feed.status?.host.memory_bytes;
    this.warning.hidden = answer.of === "resident" || !memory || Number(answer.columns.value[0]) <= memory;
  }

  #list() {
    while (this.legend.children.length > this.slices.length) this.legend.lastChild.remove();
    while (this.legend.children.length < this.slices.length) this.legend.append(entry());
    this.slices.forEach((slice, at) => this.#tellSlice(this.legend.children[at], slice, at));
  }

  #tellSlice(item, slice, at) {
    const [button] = item.children;
    const [swatch, name, pid, bytes, part] = button.children;
    item.dataset.slice = at;
    swatch.setAttribute("class", `swatch ${slice.colour}`);
    setText(name, slice.name);
    name.title = slice.name;
    setText(
      pid,
      slice.pid?.toString() ?? (slice.groups ? "" : t("shares.times", { count: count(slice.processes) })),
    );
    setText(bytes, slice.amount);
    setText(part, share(slice.share));
    bytes.title = exactBytes(slice.value);
    button.disabled = !followable(slice);
    button.setAttribute("aria-pressed", slice.id !== undefined && String(slice.id) === view.get("process"));
    button.onclick = () => this.#follow(slice);
  }

  #follow(slice) {
    if (slice.find !== undefined) return view.set({ find: slice.find, mode: "table" });
    const chosen = String(slice.id);
    view.set({ process: chosen === view.get("process") ? "" : chosen }, { push: true });
  }

  #mark(at) {
    this.classList.toggle("marking", at !== undefined);
    for (const part of this.querySelectorAll("[data-slice]")) {
      part.classList.toggle("marked", part.dataset.slice === at);
    }
  }

  #keep() {
    if (!this.slices) return;
    const rows = this.slices.map(({ name, pid, processes, value, share: part }) => [
      name,
      pid,
      processes,
      value,
      part,
    ]);
    const head = [view.get("shares"), "pid", "processes", `${view.get("of")}_bytes`, "share"];
    download(fileName("shares"), csv(head, rows));
  }
}

/** At most ten: the biggest, and all others together. */
function slicesOf({ by, total, columns, other }) {
  const slices = columns.label.map((label, at) => ({
    id: by === "process" ? columns.id[at] : undefined,
    pid: by === "process" ? columns.pid[at] : undefined,
    find: by === "name" ? columns.process_name[at] : undefined,
    name: (by === "process" || by === "name" ? columns.process_name[at] : label) || t("processes.no-name"),
    value: columns.value[at],
    processes: columns.processes[at],
    colour: `slice-${at}`,
  }));
  const seen = slices.filter(({ value }) => Number(value) / Number(total) >= SMALLEST);
  const rest = slices.slice(seen.length);
  const groups = other.groups + rest.length;
  if (groups) {
    seen.push({
      groups,
      name: t("shares.other", { count: count(groups) }),
      processes: rest.reduce((sum, { processes }) => sum + processes, other.processes),
      value: rest.reduce((sum, { value }) => sum + BigInt(value), BigInt(other.value)),
      colour: "slice-other",
    });
  }
  return seen.map((slice) => ({
    ...slice,
    share: Number(slice.value) / Number(total),
    amount: sized(slice.value).join("\u00a0"),
  }));
}

function followable({ id, find }) {
  return id !== undefined || find !== undefined;
}

function entry() {
  const swatch = svg(
    "svg",
    { viewBox: "0 0 10 10", "aria-hidden": "true" },
    svg("rect", { width: 10, height: 10, rx: 2.5 }),
  );
  const parts = ["name", "pid", "bytes", "part"].map((part) => el("span", { class: part }));
  return el("li", {}, el("button", { type: "button" }, swatch, ...parts));
}
