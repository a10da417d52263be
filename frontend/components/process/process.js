// The selected process: whose it is, since when, what it holds.

import { chosen } from "../../lib/chosen.js";
import { el, setText } from "../../lib/dom.js";
import { exactBytes, fullTime, moment, sized } from "../../lib/format.js";
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
  failed: plain,
  uid: plain,
  parent: plain,
  cgroup: plain,
  first_us: time,
  last_us: time,
  ended_us: time,
};

const SUMS = ["balance", "failed"]; // of its calls

export class Process extends HTMLElement {
  connectedCallback() {
    this.name = el("h3");
    this.facts = Object.fromEntries(Object.keys(FACTS).map((key) => [key, fact(key)]));
    this.append(
      el(
        "section",
        { class: "detail", sayLabel: "process.heading" },
        this.name,
        el("dl", {}, ...Object.values(this.facts).map(({ element }) => element)),
        el("button", {
          type: "button",
          class: "close",
          text: "×",
          sayLabel: "process.close",
          sayTitle: "process.close",
          on: { click: () => view.set({ process: "" }, { push: true }) },
        }),
      ),
    );
    chosen.addEventListener("change", () => this.#update());
    view.on(["process", "lang"], () => this.#update());
    this.#update();
  }

  #update() {
    this.hidden = !view.get("process");
    const { value, error } = chosen;
    for (const [key, tell] of Object.entries(FACTS)) {
      const known = value?.[key] ?? null;
      const exact = value?.exact || !SUMS.includes(key);
      this.facts[key].show(known === null ? null : sum(...tell(known), exact));
    }
    if (value) setText(this.name, `${value.process_name || t("processes.no-name")} · ${value.pid}`);
    else setText(this.name, t(error ? "process.unreadable" : "processes.loading"));
  }
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
    /** `told` is [text, tooltip]; null where nobody knows. */
    show(told) {
      element.hidden = told === null;
      if (told === null) return;
      setText(value, told[0]);
      value.title = told[1];
    },
  };
}
