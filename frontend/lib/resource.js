// One thing the page shows and the API tells: never more than one request in flight for it.

import { getAged } from "./api.js";

const REST = 3; // a slow answer is asked for less often: wait this many times as long as it took
const LONGEST_REST_MS = 15_000;
const AGED_MS = 1_000; // after an answer of a moment ago, which is given while the next is made: ask again

export class Resource extends EventTarget {
  /** The newest answer; null before the first. */
  value = null;
  /** The newest failure; null after a success. */
  error = null;
  #request;
  #busy = false;
  #wanted = false;
  #again = 0; // timer

  /**
   * `request()` gives [path, query] of what is wanted now, or null for nothing. A third item names what it is about
   * where the query alone would call every answer outdated (a window that moves with the clock).
   */
  constructor(request) {
    super();
    this.#request = request;
  }

  /** Ask again; while an answer is under way, once more after it. */
  refresh() {
    clearTimeout(this.#again);
    this.#wanted = true;
    if (!this.#busy) this.#serve();
  }

  /** Forget the answer: what is wanted has become something else. */
  reset() {
    this.value = null;
    this.error = null;
    this.refresh();
  }

  async #serve() {
    this.#busy = true;
    while (this.#wanted) {
      this.#wanted = false;
      const asked = this.#request();
      if (!asked) break;
      const began = performance.now();
      await this.#ask(asked);
      const rest_ms = Math.min((performance.now() - began) * REST, LONGEST_REST_MS);
      if (this.#wanted && this.#same(asked)) await new Promise((done) => setTimeout(done, rest_ms));
    }
    this.#busy = false;
  }

  async #ask(asked) {
    try {
      const { value, age } = await getAged(asked[0], asked[1]);
      if (!this.#same(asked)) return;
      if (age) this.#again = setTimeout(() => this.refresh(), AGED_MS);
      this.value = value;
      this.error = null;
    } catch (error) {
      if (!this.#same(asked)) return;
      this.error = error;
    }
    this.dispatchEvent(new Event("change"));
  }

  #same(asked) {
    return about(this.#request()) === about(asked);
  }
}

function about(asked) {
  return asked && (asked[2] ?? JSON.stringify(asked));
}
