// The account: emitted = stored + rejected + lost, by cause, with samples. A dialog.

import { el, setText } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";
import { count, fullTime, moment, sized } from "../../lib/format.js";
import { t } from "../../lib/language.js";
import { missing } from "../../lib/losses.js";
import { Resource } from "../../lib/resource.js";
import { view } from "../../lib/view.js";

export class Losses extends HTMLElement {
  connectedCallback() {
    this.losses = new Resource(() => ["api/v1/losses", {}]);
    this.losses.addEventListener("change", () => this.#update());
    this.identity = el("p", { class: "identity" });
    this.gaps = el("p", { class: "gaps" });
    this.reconciled = el("p", { class: "reconciled" });
    this.largest = el("ul", { class: "differences" });
    this.table = el("tbody");
    this.noLosses = el("p", { say: "losses.none" });
    this.samples = el("ul", { class: "samples" });
    this.noSamples = el("p", { say: "losses.no-samples" });
    const heads = ["time", "cause", "events", "detail"].map((key) =>
      el("th", { scope: "col", say: `losses.${key}` }),
    );
    this.lossTable = el("table", {}, el("thead", {}, el("tr", {}, ...heads)), this.table);
    const close = el("button", {
      type: "button",
      class: "close",
      sayLabel: "losses.close",
      text: "×",
      on: { click: () => this.dialog.close() },
    });
    this.dialog = el(
      "dialog",
      { "aria-labelledby": "losses-heading" },
      el("div", { class: "dialog-head" }, el("h2", { id: "losses-heading", say: "losses.heading" }), close),
      this.identity,
      this.gaps,
      this.reconciled,
      this.largest,
      el("h3", { say: "losses.lost" }),
      this.noLosses,
      this.lossTable,
      el("h3", { say: "losses.samples" }),
      el("p", { class: "hint", say: "losses.samples-text" }),
      this.noSamples,
      this.samples,
    );
    this.append(this.dialog);
    feed.addEventListener("data", () => this.dialog.open && this.losses.refresh());
    feed.addEventListener("status", () => this.#update());
    view.on(["lang"], () => this.#update());
  }

  open() {
    this.losses.refresh();
    this.dialog.showModal();
    this.#update();
  }

  #update() {
    if (!this.dialog.open || !feed.status) return;
    const { account, samples, reconciliation } = feed.status;
    this.reconciled.hidden = !reconciliation;
    if (reconciliation) setText(this.reconciled, agreement(reconciliation));
    this.largest.replaceChildren(...(reconciliation?.largest ?? []).map(difference));
    const { lost, gaps } = missing(account);
    this.gaps.hidden = !gaps;
    setText(this.gaps, t(gaps === 1 ? "lost.gap-of" : "lost.gaps-of", { count: count(gaps) }));
    const numbers = { emitted: account.emitted, stored: account.stored, rejected: account.rejected, lost };
    setText(
      this.identity,
      t(
        "losses.identity",
        Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, count(value)])),
      ),
    );
    this.samples.replaceChildren(...samples.map((line) => el("li", {}, el("code", { text: line }))));
    this.noSamples.hidden = samples.length > 0;
    const columns = this.losses.value?.columns;
    this.lossTable.hidden = !columns?.time_us.length;
    this.noLosses.hidden = !this.lossTable.hidden;
    this.table.replaceChildren(...(columns?.time_us ?? []).map((time_us, at) => row(columns, at)));
  }
}

/** One process of which /proc and the tap did not say the same. */
function difference([pid, name, bytes]) {
  const amount = sized(Math.abs(Number(bytes))).join("\u00a0");
  return el("li", { text: `${pid} ${name}: ${Number(bytes) < 0 ? "−" : "+"}${amount}` });
}

/** How the latest look at /proc compared. */
function agreement({ time_us, processes, new: unknown, differing, difference: bytes }) {
  const known = processes - unknown;
  if (!known) return t("losses.all-new", { time: moment(time_us), unknown: count(unknown) });
  const told = t(differing ? "losses.differing" : "losses.agreeing", {
    time: moment(time_us),
    agreeing: count(known - differing),
    known: count(known),
    difference: sized(Math.abs(Number(bytes))).join("\u00a0"),
  });
  return unknown ? t("losses.and-new", { told, unknown: count(unknown) }) : told;
}

function row(columns, at) {
  const events = columns.events[at] ? count(columns.events[at]) : t("losses.unknown");
  const cells = [fullTime(columns.time_us[at]), columns.cause[at], events, columns.detail[at]];
  return el("tr", {}, ...cells.map((text) => el("td", { text })));
}
