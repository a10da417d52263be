// The live stream of status: once a second while memtap answers, tried again with growing pauses when it does not.

import { ApiError, get, parse } from "./api.js";

const SILENCE_MS = 6_000; // a status comes every second: after this the connection is as good as dead
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000];

/**
 * Events: "status" (detail: the status object), "change" (`state` or `error` changed).
 * States: connecting, live, lost (`retryAt` says when it is tried again), locked (the token is no longer good).
 */
export class Live extends EventTarget {
  state = "connecting";
  error = "";
  retryAt = 0;
  #source = null;
  #failures = 0;
  #timer = 0;

  connect() {
    this.#close();
    this.#source = new EventSource("api/v1/live");
    this.#source.addEventListener("status", ({ data }) => this.#receive(data));
    this.#source.addEventListener("error", () => this.#fail());
    this.#watch();
  }

  #receive(data) {
    this.#failures = 0;
    this.#watch();
    this.#become("live");
    this.dispatchEvent(new CustomEvent("status", { detail: parse(data) }));
  }

  #watch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(), SILENCE_MS);
  }

  /** EventSource does not say why it failed; a plain request does. */
  async #fail() {
    this.#close();
    let error = "";
    try {
      await get("api/v1/status");
    } catch (caught) {
      if (!(caught instanceof ApiError)) throw caught;
      if (caught.status === 401) return this.#become("locked");
      error = caught.status ? `${caught.status} ${caught.message}` : "";
    }
    const pause_ms = PAUSES_MS[Math.min(this.#failures, PAUSES_MS.length - 1)];
    this.#failures += 1;
    this.retryAt = Date.now() + pause_ms;
    this.#become("lost", error);
    this.#timer = setTimeout(() => this.connect(), pause_ms);
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #become(state, error = "") {
    if (this.state === state && this.error === error && state !== "lost") return;
    this.state = state;
    this.error = error;
    this.dispatchEvent(new Event("change"));
  }
}
