// Who and what: the host, the tap, the store, losses, whether this is live; language and theme.

import { el, say, setText, svg } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count, exactBytes, moment, sized } from "../../lib/format.js";
import { language, t } from "../../lib/language.js";
import { missing } from "../../lib/losses.js";
import { onTheme, theme } from "../../lib/theme.js";
import { view } from "../../lib/view.js";

const TAP_LEVELS = { running: "good", starting: "wait", restarting: "warn", ended: "calm", none: "calm" };
const NEARLY_FULL = 0.9; // of the machine's memory
const LIVE_LEVELS = { live: "good", connecting: "wait", lost: "bad", locked: "bad" };

export class Header extends HTMLElement {
  connectedCallback() {
    this.host = chip("header.host");
    const open = () => document.querySelector("memtap-state").open();
    this.memory = chip("header.memory", open);
    this.tap = chip("header.tap", open);
    this.store = chip("header.store", open);
    this.spool = chip("header.spool", open);
    this.losses = chip("header.losses", () => document.querySelector("memtap-losses").open());
    this.live = el("p", { class: "live", role: "status" }, el("span", { class: "dot" }), el("span"));
    this.replaceChildren(
      el(
        "header",
        {},
        el("h1", {}, mark(), el("span", { text: "memtap" })),
        el(
          "ul",
          { class: "chips", sayLabel: "header.state" },
          ...[this.host, this.memory, this.tap, this.store, this.spool, this.losses].map(
            ({ element }) => element,
          ),
        ),
        this.live,
        el("div", { class: "controls" }, this.#languages(), this.#themes()),
      ),
    );
    feed.addEventListener("status", () => this.#update());
    feed.addEventListener("connection", () => this.#update());
    view.on(["lang"], () => this.#update());
    onTheme(() => this.#update());
    this.#update();
  }

  #languages() {
    const button = (tag, name) =>
      el("button", {
        type: "button",
        lang: tag,
        text: tag.toUpperCase(),
        title: name,
        "aria-label": `${tag.toUpperCase()}, ${name}`,
        on: { click: () => view.set({ lang: tag }) },
      });
    this.languages = [button("en", "English"), button("es", "Español")];
    return el("div", { class: "segments", role: "group", sayLabel: "header.language" }, ...this.languages);
  }

  #themes() {
    const turn = () => view.set({ theme: theme() === "dark" ? "light" : "dark" });
    this.themeButton = el("button", { type: "button", class: "icon", on: { click: turn } }, sun(), moon());
    return this.themeButton;
  }

  #update() {
    for (const button of this.languages) button.setAttribute("aria-pressed", button.lang === language());
    const other = t(theme() === "dark" ? "header.to-light" : "header.to-dark");
    this.themeButton.title = other;
    this.themeButton.setAttribute("aria-label", other);
    this.live.dataset.level = LIVE_LEVELS[feed.live.state];
    say(this.live.lastChild, `live.${feed.live.state}`);
    const { status } = feed;
    if (!status) return;
    const { tap, store, account } = status;
    this.#tellMemory(status);
    this.#tellSpool(status.spool);
    this.host.show("calm", status.host.name || t("header.unknown"));
    document.title = status.host.name ? `${status.host.name} · memtap` : "memtap";
    const state = tap.recording && tap.state === "running" ? t("tap.recording") : t(`tap.${tap.state}`);
    this.tap.show(
      tap.recording ? "warn" : TAP_LEVELS[tap.state],
      tap.name ? `${tap.name} · ${state}` : state,
      tap.message,
    );
    this.store.show(
      store.state === "ok" ? "good" : "bad",
      t(store.state === "ok" ? "store.ok" : "store.away"),
      storeTitle(status),
    );
    const { level, text } = missing(account);
    this.losses.show(level, text, t("header.losses-title"));
  }

  /** How much of the machine's memory is in use; how much there is, where no more is known. */
  #tellMemory({ host, memory }) {
    const total = memory?.total_bytes ?? host.memory_bytes;
    this.memory.element.hidden = !total;
    if (!total) return;
    const size = sized(total).join("\u00a0");
    const available = memory?.available_bytes;
    if (available == null) return this.memory.show("calm", size, exactBytes(total));
    const used = Number(total) - Number(available);
    this.memory.show(
      used / Number(total) > NEARLY_FULL ? "warn" : "calm",
      t("header.memory-of", { used: sized(used).join("\u00a0"), size }),
      t("header.memory-title", { used: exactBytes(used), available: exactBytes(available) }),
    );
  }

  /** Calls that wait on disk for a store that is away. */
  #tellSpool(spool) {
    this.spool.element.hidden = !spool || spool.state === "off";
    if (this.spool.element.hidden) return;
    const size = (bytes) => sized(bytes).join("\u00a0");
    const shown = spool.batches
      ? t("spool.holds", { size: size(spool.bytes), limit: size(spool.limit) })
      : t("spool.empty");
    const title = [
      spool.oldest_us ? t("store.since", { time: moment(spool.oldest_us) }) : "",
      spool.dropped ? t("spool.dropped", { count: count(spool.dropped) }) : "",
    ];
    this.spool.show(
      spool.dropped ? "bad" : spool.batches ? "warn" : "good",
      shown,
      title.filter(Boolean).join("\n"),
    );
  }
}

/** Where it is, how large it has become, how far back it goes. */
function storeTitle({ store }) {
  const size = store.bytes ? sized(store.bytes).join("\u00a0") : null;
  const oldest = store.oldest_us ? t("store.since", { time: moment(store.oldest_us) }) : null;
  return [store.url, size, oldest].filter(Boolean).join("\n");
}

/** A fact with its state: told in words, the dot only repeats it. */
function chip(key, open) {
  const value = el("span", { class: "value", text: "…" });
  const inside = [el("span", { class: "dot" }), el("span", { class: "name", say: key }), value];
  const body = open
    ? el("button", { type: "button", on: { click: open } }, ...inside)
    : el("span", {}, ...inside);
  const element = el("li", { class: "chip", "data-chip": key.split(".")[1] }, body);
  return {
    element,
    show(level, shown, title = "") {
      element.dataset.level = level;
      body.title = [shown, title].filter(Boolean).join("\n"); // it may be cut
      setText(value, shown);
    },
  };
}

/** memtap's mark: three bars, as on the login page. */
function mark() {
  const bars = svg("path", { d: "M1 13V9h3v4zm5 0V3h3v10zm5 0V6h3v7z" });
  return svg("svg", { viewBox: "0 0 15 16", class: "mark", "aria-hidden": "true" }, bars);
}

function sun() {
  const rays =
    "M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4";
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: "sun", "aria-hidden": "true" },
    svg("circle", { cx: 12, cy: 12, r: 4.2 }),
    svg("path", { d: rays }),
  );
}

function moon() {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: "moon", "aria-hidden": "true" },
    svg("path", { d: "M20 14.2A8.3 8.3 0 1 1 9.8 4a6.6 6.6 0 0 0 10.2 10.2Z" }),
  );
}
