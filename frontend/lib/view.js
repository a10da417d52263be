// What is looked at, kept in the address, so that a view can be sent to a colleague.

const STANDARD = {
  lang: "", // "": what the browser prefers
  theme: "", // "": what the system prefers
  process: "", // id of the selected process
  find: "", // text that a process's name holds, or its PID begins with
  sort: "-balance", // column, "-" before it for most first
  ended: "false", // false: running ones, true: ended ones, all
  shares: "process", // slices of the pie: process, name
  call: "", // kind of call
  failed: "", // "true": only calls that failed
  min: "", // least length of a call, bytes
  minutes: "5", // width of the time line
};

class View extends EventTarget {
  #values = {};

  constructor() {
    super();
    this.#read();
    addEventListener("popstate", () => {
      const before = this.#values;
      this.#read();
      this.#announce(before);
    });
  }

  get(key) {
    return this.#values[key];
  }

  /** Change some values. `push`: the browser's Back undoes it. */
  set(changes, { push = false } = {}) {
    const before = this.#values;
    this.#values = { ...before, ...changes };
    if (!Object.keys(changes).some((key) => before[key] !== this.#values[key])) return;
    const address = new URL(location.href);
    for (const [key, standard] of Object.entries(STANDARD)) {
      if (this.#values[key] === standard) address.searchParams.delete(key);
      else address.searchParams.set(key, this.#values[key]);
    }
    history[push ? "pushState" : "replaceState"](null, "", address);
    this.#announce(before);
  }

  /** Calls `listener` now-ish: on every later change of one of `keys`. */
  on(keys, listener) {
    this.addEventListener("change", ({ detail }) => {
      if (keys.some((key) => detail.has(key))) listener();
    });
  }

  #read() {
    const given = new URL(location.href).searchParams;
    this.#values = Object.fromEntries(
      Object.entries(STANDARD).map(([key, standard]) => [key, given.get(key) ?? standard]),
    );
  }

  #announce(before) {
    const detail = new Set(Object.keys(STANDARD).filter((key) => before[key] !== this.#values[key]));
    if (detail.size) this.dispatchEvent(new CustomEvent("change", { detail }));
  }
}

export const view = new View();
