// What the figures mean, once, for everybody.

import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { sized } from "../../lib/format.js";
import { t } from "../../lib/language.js";
import { view } from "../../lib/view.js";

const TERMS = [
  "requested",
  "released",
  "balance",
  "vm",
  "resident",
  "failed",
  "what",
  "share",
  "percentage",
  "mb",
  "losses",
];

export class Notes extends HTMLElement {
  connectedCallback() {
    this.version = el("span");
    const terms = TERMS.map((term) =>
      el(
        "div",
        {},
        el("dt", { say: `notes.${term}` }),
        el("dd", { say: `notes.${term}-text`, "data-term": term }),
      ),
    );
    this.append(
      el(
        "footer",
        {},
        el("details", {}, el("summary", { say: "notes.heading" }), el("dl", {}, ...terms)),
        el(
          "p",
          {},
          this.version,
          " · ",
          el("a", { href: "api/ObtenerProcesos", text: "api/ObtenerProcesos" }),
        ),
      ),
    );
    feed.addEventListener("status", () => this.#update());
    view.on(["lang"], () => this.#update());
  }

  #update() {
    if (!feed.status) return;
    const { memory_bytes } = feed.status.host;
    const memory = memory_bytes
      ? ` · ${t("notes.memory", { size: sized(memory_bytes).join("\u00a0") })}`
      : "";
    setText(this.version, `memtap${memory}`);
  }
}
