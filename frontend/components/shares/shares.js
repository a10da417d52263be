// The pie: who asked for how much of everything that was requested.

import { el, setText, svg } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count, exactBytes, moment, share, sized } from "../../lib/format.js";
import { t } from "../../lib/language.js";
import { Resource } from "../../lib/resource.js";
import { view } from "../../lib/view.js";
import { slicesByName, slicesByProcess } from "./slices.js";

const RADIUS = 96;
const HOLE = 60;

export class Shares extends HTMLElement {
  connectedCallback() {
    this.totals = new Resource(() => ["api/v1/totals", {}]);
    this.totals.addEventListener("change", () => this.#update());
    this.#build();
    feed.addEventListener("data", () => this.totals.refresh());
    view.on(["lang", "shares", "process"], () => this.#update());
    this.#update();
  }

  #build() {
    this.by = ["process", "name"].map((by) =>
      el("button", {
        type: "button",
        "data-by": by,
        say: `shares.by-${by}`,
        on: { click: () => view.set({ shares: by }) },
      }),
    );
    this.pie = svg("svg", { viewBox: "-100 -100 200 200", class: "pie", role: "img" });
    this.sum = [svg("text", { class: "sum", y: -2 }), svg("text", { class: "sum-of", y: 16 })];
    this.legend = el("ol", { class: "legend", sayLabel: "shares.legend" });
    this.explanation = el("p", { class: "explanation" });
    this.append(
      el(
        "section",
        { class: "panel", "aria-labelledby": "shares-heading" },
        el(
          "div",
          { class: "panel-head" },
          el("h2", { id: "shares-heading", say: "shares.heading" }),
          el("div", { class: "segments", role: "group", sayLabel: "shares.by" }, ...this.by),
        ),
        this.explanation,
        el("div", { class: "pie-and-legend" }, this.pie, this.legend),
      ),
    );
    this.addEventListener("pointerover", ({ target }) =>
      this.#mark(target.closest("[data-slice]")?.dataset.slice),
    );
    this.addEventListener("pointerleave", () => this.#mark());
  }

  #update() {
    for (const button of this.by)
      button.setAttribute("aria-pressed", button.dataset.by === view.get("shares"));
    const answer = this.totals.value;
    if (!answer) return;
    const { totals } = answer;
    const cut = view.get("shares") === "name" ? slicesByName : slicesByProcess;
    const slices = cut(answer.shares, Number(totals.requested));
    const [number, unit] = sized(totals.requested);
    setText(this.sum[0], `${number}\u00a0${unit}`);
    setText(this.sum[1], t("shares.requested"));
    const since = totals.first_us ? moment(totals.first_us) : "–";
    setText(
      this.explanation,
      t("shares.explanation", { size: `${number}\u00a0${unit}`, processes: count(totals.processes), since }),
    );
    this.pie.setAttribute("aria-label", t("shares.description", { size: `${number} ${unit}` }));
    this.#draw(slices);
    this.#list(slices);
  }

  #draw(slices) {
    let from = 0;
    const arcs = slices.map((slice, at) => {
      const to = from + slice.share;
      const path = svg("path", { d: arc(from, to), "data-slice": at, class: colour(slice, at) });
      from = to;
      return path;
    });
    this.pie.replaceChildren(...arcs, ...this.sum);
  }

  #list(slices) {
    while (this.legend.children.length > slices.length) this.legend.lastChild.remove();
    while (this.legend.children.length < slices.length) this.legend.append(entry());
    slices.forEach((slice, at) => this.#tellSlice(this.legend.children[at], slice, at));
  }

  #tellSlice(item, slice, at) {
    const [button] = item.children;
    const [swatch, name, pid, bytes, part] = button.children;
    item.dataset.slice = at;
    swatch.setAttribute("class", `swatch ${colour(slice, at)}`);
    setText(
      name,
      slice.others ? t("shares.other", { count: count(slice.others) }) : slice.name || t("processes.no-name"),
    );
    name.title = name.textContent;
    setText(
      pid,
      slice.find === undefined
        ? (slice.pid?.toString() ?? "")
        : t("shares.times", { count: count(slice.processes) }),
    );
    setText(bytes, sized(slice.requested).join("\u00a0"));
    setText(part, share(slice.share));
    bytes.title = exactBytes(slice.requested);
    button.disabled = slice.id === undefined && slice.find === undefined;
    button.setAttribute("aria-pressed", slice.id !== undefined && String(slice.id) === view.get("process"));
    button.onclick = () => this.#follow(slice);
  }

  #follow(slice) {
    if (slice.find !== undefined) return view.set({ find: slice.find });
    const chosen = String(slice.id);
    view.set({ process: chosen === view.get("process") ? "" : chosen }, { push: true });
  }

  #mark(at) {
    this.classList.toggle("marking", at !== undefined);
    for (const part of this.querySelectorAll("[data-slice]"))
      part.classList.toggle("marked", part.dataset.slice === at);
  }
}

/** A ring's part, from and to as parts of 1, clockwise from the top. */
function arc(from, to) {
  if (to - from >= 0.9999) to = from + 0.9999; // a whole circle has no two ends to draw between
  const at = (part, radius) => {
    const angle = part * 2 * Math.PI;
    return `${(Math.sin(angle) * radius).toFixed(3)} ${(-Math.cos(angle) * radius).toFixed(3)}`;
  };
  const far = to - from > 0.5 ? 1 : 0;
  const outside = `M${at(from, RADIUS)}A${RADIUS} ${RADIUS} 0 ${far} 1 ${at(to, RADIUS)}`;
  const inside = `L${at(to, HOLE)}A${HOLE} ${HOLE} 0 ${far} 0 ${at(from, HOLE)}Z`;
  return outside + inside;
}

function colour(slice, at) {
  return slice.others ? "slice-other" : `slice-${at}`;
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
