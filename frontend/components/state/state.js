// The state of the tap, the store and the spool, in full: a dialog behind the chips of the header.

import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count, duration, exactBytes, fullTime, sized } from "../../lib/format.js";
import { t } from "../../lib/language.js";
import { view } from "../../lib/view.js";

const PARTS = ["memory", "tap", "store", "spool"];

export class State extends HTMLElement {
  connectedCallback() {
    const close = el("button", {
      type: "button",
      class: "close",
      sayLabel: "state.close",
      text: "×",
      on: { click: () => this.dialog.close() },
    });
    this.parts = Object.fromEntries(PARTS.map((part) => [part, el("dl", { class: "facts" })]));
    this.dialog = el(
      "dialog",
      { "aria-labelledby": "state-heading" },
      el("div", { class: "dialog-head" }, el("h2", { id: "state-heading", say: "state.heading" }), close),
      ...PARTS.flatMap((part) => [el("h3", { say: `header.${part}` }), this.parts[part]]),
    );
    this.append(this.dialog);
    feed.addEventListener("status", () => this.#update());
    view.on(["lang"], () => this.#update());
  }

  open() {
    this.dialog.showModal();
    this.#update();
  }

  #update() {
    if (!this.dialog.open || !feed.status) return;
    for (const part of PARTS) tell(this.parts[part], FACTS[part](feed.status));
  }
}

const bytes = (value) => (value == null ? null : `${sized(value).join("\u00a0")} (${exactBytes(value)})`);
const time = (us) => (us ? fullTime(us) : null);
const kept = (seconds) => (seconds == null ? null : duration(seconds));
const some = (number) => (number ? count(number) : null);

// What is told of each part, by the key of its message; null is left out.
const FACTS = {
  memory: ({ memory, host }) => ({
    total: bytes(memory?.total_bytes ?? (host.memory_bytes || null)),
    available: bytes(memory?.available_bytes),
  }),
  tap: ({ tap }) => ({
    now: [tap.name, t(`tap.${tap.state}`), tap.recording ? t("tap.recording") : ""]
      .filter(Boolean)
      .join(" · "),
    message: tap.message || null,
    gap: time(tap.gap_since_us),
    restarts: some(tap.restarts),
    left: tap.left_out.join(", ") || null,
    stderr: tap.stderr.join("\n") || null,
  }),
  store: ({ store, pipeline, retention }) => ({
    now: t(`store.${store.state}`),
    url: store.url,
    error: store.error || null,
    size: bytes(store.bytes),
    oldest: time(store.oldest_us),
    queued: some(pipeline.queued),
    events: kept(retention?.keep_events_s),
    most: bytes(retention?.keep_bytes),
    rollups: kept(retention?.keep_rollups_s),
    housekeeping: retention?.error || time(retention?.latest_us),
  }),
  spool: ({ spool }) => ({
    now: t(`spool.${spool?.state ?? "off"}`),
    path: spool?.path || null,
    waiting: spool?.batches
      ? t("state.batches", { count: count(spool.batches), size: bytes(spool.bytes) })
      : null,
    limit: bytes(spool?.limit || null),
    oldest: time(spool?.oldest_us),
    damaged: some(spool?.damaged),
    dropped: some(spool?.dropped),
    error: spool?.error || null,
  }),
};

function tell(list, facts) {
  const known = Object.entries(facts).filter(([, value]) => value != null);
  while (list.children.length > known.length) list.lastChild.remove();
  while (list.children.length < known.length) list.append(el("div", {}, el("dt"), el("dd")));
  known.forEach(([key, value], at) => {
    setText(list.children[at].firstChild, t(`state.${key}`));
    setText(list.children[at].lastChild, value);
  });
}
