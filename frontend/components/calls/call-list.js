// The calls that are shown: the newest page, kept new, with older pages below it.

import { get } from "../../lib/api.js";
import { Resource } from "../../lib/resource.js";

const PAGE = 100; // calls a request
const PATH = "api/v1/calls";

/**
 * Rows `{id, time_us, process_id, pid, process_name, call, length}`, newest first. Event: "change".
 *
 * The newest page is asked for as a whole, not "what came after": with two CPUs a call may arrive after a younger one.
 */
export class CallList extends EventTarget {
  rows = [];
  error = null;
  /** True once the first page has come. */
  loaded = false;
  /** The row of the selected process, for its name; null until one is known. */
  process = null;
  #filter;
  #older = null;
  #head;
  #paging = false;

  /** `filter()` gives the query of now. */
  constructor(filter) {
    super();
    this.#filter = filter;
    this.#head = new Resource(() => [PATH, { ...filter(), limit: PAGE }]);
    this.#head.addEventListener("change", () => this.#receive(this.#head));
  }

  /** There are calls older than the last row. */
  get more() {
    return this.#older !== null;
  }

  refresh() {
    this.#head.refresh();
  }

  /** The filter has changed. */
  restart() {
    this.#forget();
    this.#head.reset();
    this.dispatchEvent(new Event("change"));
  }

  /** Add the page below the last row. */
  async older() {
    if (this.#paging || this.#older === null) return;
    this.#paging = true;
    const [filter, cursor] = [this.#filter(), this.#older];
    try {
      const page = await get(PATH, { ...filter, limit: PAGE, before: cursor });
      // Only if this is still where the list ends: meanwhile it may have begun anew.
      if (cursor === this.#older) {
        this.rows = this.rows.concat(rowsOf(page));
        this.#older = page.older;
      }
    } catch (error) {
      this.error = error;
    }
    this.#paging = false;
    this.dispatchEvent(new Event("change"));
  }

  #receive({ value, error }) {
    this.error = error;
    if (value && !error) {
      const fresh = rowsOf(value);
      const below = fresh.length ? olderThan(this.rows, fresh.at(-1)) : 0;
      // Where the two do not meet, calls lie between them that nobody has asked for: begin anew.
      const meets = below < this.rows.length && below > 0;
      this.rows = meets ? fresh.concat(this.rows.slice(below)) : fresh;
      if (!meets) this.#older = value.older;
      this.loaded = true;
      this.process = this.#filter().process_id ? (fresh[0] ?? this.process) : null;
    }
    this.dispatchEvent(new Event("change"));
  }

  #forget() {
    this.rows = [];
    this.loaded = false;
    this.process = null;
    this.#older = null;
  }
}

/** How many of `rows` are not older than `last`. */
function olderThan(rows, last) {
  const at = rows.findIndex((row) => row.time_us < last.time_us || (row.time_us === last.time_us && row.id < last.id));
  return at < 0 ? rows.length : at;
}

function rowsOf({ columns }) {
  const keys = Object.keys(columns);
  return columns.id.map((_, at) => Object.fromEntries(keys.map((key) => [key, columns[key][at]])));
}
