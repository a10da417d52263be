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
  resting = false;
  #source = null;
  #failures = 0;
  #timer = 0;
  #attempt = 0;

  connect() {
    this.#close();
    this.resting = false;
    this.#attempt += 1;
    this.#source = new EventSource("api/v1/live");
    this.#source.addEventListener("status", ({ data }) => this.#receive(data));
    this.#source.addEventListener("error", () => this.#fail());
    this.#watch();
  }

  /** Let go of the connection: a browser has few for each host, and hidden pages need none. */
  rest() {
    this.#close();
    this.resting = true;
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

  async #fail() {
    this.#close();
    const attempt = this.#attempt;
    const { status, message } = await reason();
    if (attempt !== this.#attempt) return; // meanwhile someone asked to try again
    if (status === 401) return this.#become("locked");
    const pause_ms = PAUSES_MS[Math.min(this.#failures, PAUSES_MS.length - 1)];
    this.#failures += 1;
    this.retryAt = Date.now() + pause_ms;
    this.#timer = setTimeout(() => this.connect(), pause_ms);
    this.#become("lost", status ? `${status} ${message}` : "");
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

/** EventSource does not say why it failed; a plain request does. Status 0: no answer, or nothing wrong any more. */
async function reason() {
  try {
    await get("api/v1/status", {}, SILENCE_MS);
    return { status: 0 };
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}
