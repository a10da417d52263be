// What must not be missed: a recording, a tap or a store in trouble, a lost connection, a token that is no longer good.

import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { moment } from "../../lib/format.js";
import { t } from "../../lib/language.js";
import { view } from "../../lib/view.js";

export class Banners extends HTMLElement {
  connectedCallback() {
    this.recording = banner("note", "banner.recording");
    this.restarting = banner("warn", "banner.restarting");
    this.ended = banner("note", "banner.ended");
    this.away = banner("bad", "banner.away");
    this.lost = banner("bad", "banner.lost");
    this.locked = banner("bad", "banner.locked");
    this.stderr = el("pre", { class: "stderr", hidden: true });
    this.restarting.element.append(this.stderr);
    const again = () => feed.live.connect();
    this.lost.element.append(el("button", { type: "button", say: "banner.try-now", on: { click: again } }));
    this.locked.element.append(el("a", { class: "button", href: "login", say: "banner.enter" }));
    const all = [this.locked, this.lost, this.away, this.restarting, this.recording, this.ended];
    this.append(
      el(
        "div",
        { role: "region", "aria-live": "polite", sayLabel: "banner.region" },
        ...all.map(({ element }) => element),
      ),
    );
    feed.addEventListener("status", () => this.#update());
    feed.addEventListener("connection", () => this.#update());
    view.on(["lang"], () => this.#update());
    setInterval(() => this.#countDown(), 1000);
  }

  #update() {
    const { status, live } = feed;
    const apart = live.state === "lost" || live.state === "locked";
    this.locked.show(live.state === "locked");
    this.lost.show(live.state === "lost");
    this.#countDown();
    if (!status) return;
    const { tap, store } = status;
    this.away.show(!apart && store.state !== "ok", store.error);
    this.restarting.show(!apart && tap.state === "restarting", tap.message);
    this.stderr.hidden = tap.stderr.length === 0;
    setText(this.stderr, tap.stderr.join("\n"));
    this.recording.show(tap.recording, tap.message);
    this.ended.show(!apart && tap.state === "ended" && !tap.recording, tap.message);
  }

  #countDown() {
    const { status, live } = feed;
    if (live.state !== "lost") return;
    const seconds = Math.max(0, Math.ceil((live.retryAt - Date.now()) / 1000));
    const since = status ? t("banner.shown-is-from", { time: moment(status.time_us) }) : "";
    this.lost.detail(
      ["", live.error, since, t("banner.again-in", { seconds })]
        .filter((part, at) => part || at === 0)
        .join(" "),
    );
  }
}

function banner(level, key) {
  const detail = el("span", { class: "detail" });
  const element = el(
    "div",
    { class: "banner", "data-level": level, "data-banner": key.split(".")[1], hidden: true },
    el("p", {}, el("strong", { say: key }), detail),
  );
  return {
    element,
    detail: (text) => setText(detail, text),
    /** `why`: what memtap says of it, in its own words. */
    show(visible, why) {
      if (element.hidden === visible) element.hidden = !visible;
      if (why !== undefined) setText(detail, why ? `: ${why}` : ".");
    },
  };
}
