// What every component listens to: the connection, the status of each second, and word that the data changed.

import { Live } from "./live.js";

const HIDDEN_MS = 30_000; // a page hidden for so long lets go of its connection

/** Events: "connection", "status" (each second), "data" (processes or calls changed: fetch what you show),
 * "format" (what a tap says has become more: see `knowsResults`). */
class Feed extends EventTarget {
  live = new Live();
  /** The newest status object; null before the first. */
  status = null;
  #rest = 0; // timer
  #shown = null; // version of the data that "data" was last told for

  start() {
    this.live.addEventListener("change", () => this.dispatchEvent(new Event("connection")));
    this.live.addEventListener("status", ({ detail }) => this.#receive(detail));
    document.addEventListener("visibilitychange", () => this.#turn());
    this.live.connect();
  }

  /** True once there is something to show. */
  get hasCalls() {
    return Boolean(this.status && this.status.totals.processes > 0);
  }

  /** True where a tap says what came of calls, and what their process then held: format 2. */
  get knowsResults() {
    return this.status?.totals.failed != null;
  }

  #turn() {
    clearTimeout(this.#rest);
    if (document.hidden) this.#rest = setTimeout(() => this.live.rest(), HIDDEN_MS);
    else if (this.live.resting) this.live.connect();
    this.#tellData();
  }

  #receive(status) {
    const known = this.knowsResults;
    this.status = status;
    if (this.knowsResults !== known) this.dispatchEvent(new Event("format"));
    this.dispatchEvent(new Event("status"));
    this.#tellData();
  }

  #tellData() {
    // A hidden page asks for nothing; it catches up when it is looked at.
    if (document.hidden || !this.status || this.status.version === this.#shown) return;
    this.#shown = this.status.version;
    this.dispatchEvent(new Event("data"));
  }
}

export const feed = new Feed();
