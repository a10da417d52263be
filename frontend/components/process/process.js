// The selected process: whose it is, since when, what it holds, what its mappings are, and what /proc says.

import { chosen, kinds, proc } from "../../lib/chosen.js";
import { el, setText } from "../../lib/dom.js";
import { count, exactBytes, fullTime, moment, share, sized } from "../../lib/format.js";
import { sum } from "../../lib/inexact.js";
import { t } from "../../lib/language.js";
import { view } from "../../lib/view.js";

const bytes = (value) => [sized(value).join("\u00a0"), exactBytes(value)];
const time = (us) => [moment(us), fullTime(us)];
const plain = (value) => [String(value), ""];

// How each fact is told, as [text, tooltip]; one that nobody knows is left out.
const FACTS = {
  balance: bytes,
  vm: bytes,
  resident: bytes,
  proc: plain,
  requested: bytes,
  share: (value) => [share(value), t("process.share-title")],
  failed: (value) => [count(value), ""],
  parent: plain,
  user: plain,
  cgroup: plain,
  first_us: time,
  last_us: time,
  ended_us: time,
};
const SUMS = ["balance", "requested", "failed"]; // of its calls
const KINDS = ["anonymous", "file", "reserved", "none"]; // of mapping

export class Process extends HTMLElement {
  connectedCallback() {
    if (this.name) return; // only put elsewhere
    this.name = el("h3");
    this.facts = Object.fromEntries(Object.keys(FACTS).map((key) => [key, fact(key)]));
    this.parent = el("button", { type: "button", class: "link", on: { click: () => this.#goToParent() } });
    this.facts.parent.value.append(this.parent);
    this.kinds = el("div", { class: "kinds", hidden: true });
    this.append(
      el(
        "section",
        { class: "detail", sayLabel: "process.heading" },
        el(
          "div",
          { class: "detail-head" },
          this.name,
          el("button", { type: "button", class: "link", say: "process.calls", on: { click: showCalls } }),
          el("button", {
            type: "button",
            class: "close",
            text: "×",
            sayLabel: "process.close",
            sayTitle: "process.close",
            on: { click: () => view.set({ process: "" }, { push: true }) },
          }),
        ),
        el("dl", {}, ...Object.values(this.facts).map(({ element }) => element)),
        this.kinds,
      ),
    );
    for (const shown of [chosen, kinds, proc]) shown.addEventListener("change", () => this.#update());
    view.on(["process", "lang"], () => this.#update());
    this.#update();
  }

  #update() {
    this.hidden = !view.get("process");
    const { value, error } = chosen;
    for (const [key, tell] of Object.entries(FACTS)) {
      const known = toldOf(key, value);
      const exact = value?.exact || !SUMS.includes(key);
      this.facts[key].show(
        known === null ? null : sum(...tell(known), exact),
        key === "parent" ? this.parent : null,
      );
    }
    this.parent.disabled = value?.parent_id == null;
    this.#tellKinds(kinds.value);
    if (value) setText(this.name, `${value.process_name || t("processes.no-name")} · ${value.pid}`);
    else setText(this.name, t(error ? "process.unreadable" : "processes.loading"));
  }

  /** What it asked for, by kind of mapping: a bar, and the same in words. */
  #tellKinds(answer) {
    const requested = answer ? byKind(answer.columns) : {};
    const known = KINDS.filter((kind) => requested[kind] > 0);
    this.kinds.hidden = known.length === 0;
    if (!known.length) return;
    const all = known.reduce((total, kind) => total + requested[kind], 0);
    const part = (kind) => requested[kind] / all;
    const bar = el(
      "div",
      { class: "kinds-bar", "aria-hidden": "true" },
      ...known.map((kind) => slice(kind, part(kind))),
    );
    const words = known.map((kind) =>
      el(
        "li",
        { "data-kind": kind, title: exactBytes(requested[kind]) },
        el("span", { class: "swatch" }),
        `${t(`process.kind-${kind}`)} ${sized(requested[kind]).join("\u00a0")} · ${share(part(kind))}`,
      ),
    );
    const size = sized(all).join("\u00a0");
    const message = answer.complete ? "process.kinds" : "process.kinds-since";
    const heading = el("p", { class: "hint", text: t(message, { size, time: moment(answer.since_us) }) });
    this.kinds.replaceChildren(heading, bar, el("ul", {}, ...words));
  }

  #goToParent() {
    const parent = chosen.value?.parent_id;
    if (parent != null) view.set({ process: String(parent), ended: "all" }, { push: true });
  }
}

/** A fact of the API's answer; null where nobody knows it. */
function toldOf(key, value) {
  if (!value) return null;
  if (key === "user") return value.user ?? value.uid ?? null;
  if (key === "cgroup") return value.cgroup_path ?? value.cgroup ?? null;
  if (key === "proc") return procText(proc.value);
  return value[key] ?? null;
}

/** How what /proc says differs from what the calls said; null where /proc says nothing. */
function procText(answer) {
  if (answer?.difference == null) return null;
  const difference = Number(answer.difference);
  if (!difference) return t("process.proc-agrees");
  return `${difference < 0 ? "−" : "+"}${sized(Math.abs(difference)).join("\u00a0")}`;
}

/** Bytes requested by kind of mapping, over all kinds of call. */
function byKind({ kind, requested }) {
  const sums = {};
  kind.forEach((name, at) => (sums[name ?? "none"] = (sums[name ?? "none"] ?? 0) + Number(requested[at])));
  return sums;
}

function slice(kind, part) {
  const element = el("span", { "data-kind": kind });
  element.style.flexGrow = String(part);
  return element;
}

function showCalls() {
  document.querySelector("memtap-calls").scrollIntoView();
}

function fact(key) {
  const value = el("dd");
  const element = el(
    "div",
    { "data-fact": key, hidden: true },
    el("dt", { say: `process.${key}`, sayTitle: `process.${key}-title` }),
    value,
  );
  return {
    element,
    value,
    /** `told` is [text, tooltip], null where nobody knows; `inside`: what the text stands in, if not in the fact. */
    show(told, inside) {
      element.hidden = told === null;
      if (told === null) return;
      setText(inside ?? value, told[0]);
      value.title = told[1];
    },
  };
}
