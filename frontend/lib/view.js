// What is looked at, kept in the address, so that a view can be sent to a colleague.

const WHOLE = /^\d{0,19}$/;
const SECOND = /^\d{0,11}$/;
const WORD = /^-?[a-z_]{1,20}$/;

const oneOf = (...values) => ({ standard: values[0], allows: (text) => values.includes(text) });
const like = (pattern, standard = "") => ({ standard, allows: (text) => pattern.test(text) });

// Each value's standard, which the address leaves out, and what may stand for it: anything else is the standard.
const VALUES = {
  lang: oneOf("", "en", "es"), // "": what the browser prefers
  theme: oneOf("", "light", "dark"), // "": what the system prefers
  minutes: oneOf("5", "15", "60", "360", "1440", "43200"), // width of the time line
  at: like(SECOND), // second at which the time line ends; "": now
  from: like(SECOND), // the chosen window, [from, to) in seconds since the epoch;
  to: like(SECOND), // "": everything until now
  process: like(WHOLE), // id of the selected process
  mode: oneOf("table", "compare"), // what stands below the time line
  find: like(/^[^]{0,200}$/), // text that a process's name holds, or its PID begins with
  sort: like(WORD, "-balance"), // column, "-" before it for most first
  ended: oneOf("false", "true", "all"), // false: running ones, true: ended ones
  columns: like(/^[a-z_,]{0,300}$/), // of the table of processes; "": the usual ones
  order: like(WORD, "-change"), // of what is compared
  change: oneOf("", "grew", "shrank", "appeared", "ended", "unknown"), // what is shown of it
  held: oneOf("balance", "vm"), // by what they are compared
  shares: oneOf("process", "name", "user", "cgroup"), // slices of the pie
  of: oneOf("requested", "released", "vm", "resident"), // what they are shares of
  shape: oneOf("pie", "treemap"),
  call: like(/^[a-z0-9]{0,12}$/), // kind of call
  kind: oneOf("", "anonymous", "file", "reserved"), // kind of mapping
  failed: oneOf("", "true", "false"), // "true": only calls that failed
  errno: like(/^\d{0,4}$/), // only calls that failed so
  min: like(WHOLE), // least length of a call, bytes
  max: like(WHOLE), // most
};
const KEYS = Object.keys(VALUES);

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
    history[push ? "pushState" : "replaceState"](null, "", this.address());
    this.#announce(before);
  }

  /** The address of what is looked at. */
  address() {
    const address = new URL(location.href);
    for (const key of KEYS) {
      if (this.#values[key] === VALUES[key].standard) address.searchParams.delete(key);
      else address.searchParams.set(key, this.#values[key]);
    }
    return address;
  }

  /** Calls `listener` now-ish: on every later change of one of `keys`. */
  on(keys, listener) {
    this.addEventListener("change", ({ detail }) => {
      if (keys.some((key) => detail.has(key))) listener();
    });
  }

  #read() {
    const given = new URL(location.href).searchParams;
    const value = (key) => {
      const { standard, allows } = VALUES[key];
      const text = given.get(key) ?? standard;
      return allows(text) ? text : standard;
    };
    this.#values = Object.fromEntries(KEYS.map((key) => [key, value(key)]));
  }

  #announce(before) {
    const detail = new Set(KEYS.filter((key) => before[key] !== this.#values[key]));
    if (detail.size) this.dispatchEvent(new CustomEvent("change", { detail }));
  }
}

export const view = new View();
