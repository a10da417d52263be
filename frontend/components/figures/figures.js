// Now: the sums over all processes, and the state of the account.

import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count, exactBytes, fullTime, moment, rate, sized } from "../../lib/format.js";
import { sum } from "../../lib/inexact.js";
import { t } from "../../lib/language.js";
import { missing } from "../../lib/losses.js";
import { Resource } from "../../lib/resource.js";
import { view } from "../../lib/view.js";

const LONG = 9; // characters of a figure for which the usual size is too large,
const LONGEST = 11; // and the next smaller one
const MINUTE_S = 58; // of ticks that come a little late or early

export class Figures extends HTMLElement {
  connectedCallback() {
    const keys = ["requested", "released", "balance", "calls", "rate", "processes", "failed", "losses"];
    this.cards = Object.fromEntries(keys.map((key) => [key, card(key)]));
    this.cards.failed.link("figures.show-failed", showFailed);
    this.cards.losses.link("figures.details", () => document.querySelector("memtap-losses").open());
    this.failed = new Resource(() =>
      feed.status?.totals.failed ? ["api/v1/calls", { failed: "true", limit: 1 }] : null,
    );
    this.failed.addEventListener("change", () => this.#update());
    feed.addEventListener("data", () => this.failed.refresh());
    this.append(
      el(
        "section",
        { "aria-labelledby": "figures-heading" },
        el("h2", { id: "figures-heading", class: "unseen", say: "figures.heading" }),
        el("dl", {}, ...keys.map((key) => this.cards[key].element)),
      ),
    );
    feed.addEventListener("status", () => this.#update());
    view.on(["lang"], () => this.#update());
  }

  /** `failed`: calls, null where no tap says what came of them. */
  #tellFailed({ failed: calls, exact }) {
    const { element, showSum } = this.cards.failed;
    element.hidden = calls === null;
    if (calls === null) return;
    showSum(exact, count(calls), "", ...latest(this.failed.value));
    element.dataset.level = calls ? "warn" : "good";
    element.querySelector(".link").hidden = !calls;
  }

  #update() {
    if (!feed.status) return;
    const { totals, rates, account } = feed.status;
    const { requested, released, balance, calls, rate: perSecond, processes, losses } = this.cards;
    requested.showSum(
      totals.exact,
      ...sized(totals.requested),
      inLastMinute("requested", rates),
      exactBytes(totals.requested),
    );
    released.showSum(
      totals.exact,
      ...sized(totals.released),
      inLastMinute("released", rates),
      exactBytes(totals.released),
    );
    const held = BigInt(totals.requested) - BigInt(totals.released);
    balance.showSum(totals.exact, ...sized(held), t("figures.balance-of"), exactBytes(held));
    const kinds = { requests: count(totals.requests), releases: count(totals.releases) };
    calls.showSum(totals.exact, count(totals.requests + totals.releases), "", t("figures.kinds", kinds));
    perSecond.show(rate(rates.calls_per_s), "", byKind(rates.kinds), byKind(rates.kinds, "\n", Infinity));
    processes.show(
      count(totals.processes),
      "",
      totals.first_us ? t("figures.since", { time: moment(totals.first_us) }) : t("figures.none"),
    );
    this.#tellFailed(totals);
    const { lost, gaps, level } = missing(account);
    losses.show(
      gaps ? (lost ? `≥${count(lost)}` : "?") : count(lost),
      "",
      gaps
        ? t(gaps === 1 ? "lost.gap-of" : "lost.gaps-of", { count: count(gaps) })
        : t("figures.rejected", { rejected: count(account.rejected), emitted: count(account.emitted) }),
    );
    losses.element.dataset.level = level === "good" && account.rejected ? "warn" : level;
  }
}

/** The list of calls, failed ones alone. */
function showFailed() {
  view.set({ failed: "true" }, { push: true });
  document.querySelector("memtap-calls").scrollIntoView();
}

/** Of the first call in an answer: [in short, in full]; nothing where there is none. */
function latest(answer) {
  if (!answer?.count) return [t("figures.none-failed"), ""];
  const { columns } = answer;
  const call = Object.fromEntries(Object.entries(columns).map(([key, [value]]) => [key, value]));
  const name = call.process_name || t("processes.no-name");
  return [
    `${call.error} · ${name}`,
    t("figures.latest-failed", {
      call: call.call,
      size: exactBytes(call.length),
      name,
      pid: call.pid,
      error: call.error,
      time: fullTime(call.time_us),
    }),
  ];
}

/** Bytes in the last minute, or in each second, where that is not known. */
function inLastMinute(key, rates) {
  const minute = feed.status.last_minute;
  if (minute) {
    const size = spaced(Number(minute[key]));
    const seconds = Math.round(minute.seconds);
    return seconds >= MINUTE_S
      ? t("figures.last-minute", { size })
      : t("figures.last-seconds", { size, seconds });
  }
  return t("figures.per-second", { size: spaced(rates[`${key}_per_s`]) });
}

/** Calls a second by kind, most first: "mmap 420 · munmap 380". */
function byKind(kinds, separator = "\n", most = 2) {
  const told = Object.entries(kinds ?? {})
    .filter(([, calls]) => calls > 0)
    .sort((a, b) => b[1] - a[1]);
  if (!told.length) return t("figures.rate-of");
  return told
    .slice(0, most)
    .map(([kind, calls]) => `${kind}\u00a0${rate(calls)}`)
    .join(separator);
}

function spaced(bytes) {
  return sized(Math.round(bytes)).join("\u00a0");
}

function card(key) {
  const number = el("span", { class: "number", text: "–" });
  const unit = el("span", { class: "unit" });
  const note = el("dd", { class: "note" });
  const element = el(
    "div",
    { class: "card", "data-figure": key },
    el("dt", { say: `figures.${key}`, sayTitle: `figures.${key}-title` }),
    el("dd", { class: "figure" }, number, unit),
    note,
  );
  const show = (value, unitText, noteText, title = "") => {
    setText(number, value);
    number.parentElement.dataset.length = value.length > LONGEST ? "longest" : value.length > LONG ? "long" : "";
    setText(unit, unitText);
    setText(note, noteText);
    element.title = title;
  };
  return {
    element,
    show,
    /** The same of a sum of calls. */
    showSum(exact, value, unitText, noteText, title = "") {
      const [text, why] = sum(value, title, exact);
      show(text, unitText, noteText, why);
    },
    /** Something to press below the figure. */
    link(key, press) {
      element.append(
        el("dd", {}, el("button", { type: "button", class: "link", say: key, on: { click: press } })),
      );
    },
  };
}
