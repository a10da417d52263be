// The calls that are shown: the newest page, kept new; or, while they are held, that page and older ones below it.

import { get } from "../../lib/api.js";
import { Resource } from "../../lib/resource.js";

const PAGE = 100; // calls a request
export const PATH = "api/v1/calls";

/**
 * Rows as the API's columns: `{id, time_us, process_id, pid, process_name, call, length, freed, errno, error, kind,
 * vm}`, newest first. Event: "change".
 *
 * The newest page is asked for as a whole, not "what came after": with two CPUs a call may arrive after a younger one.
 */
export class CallList extends EventTarget {
  rows = [];
  error = null;
  /** True once the first page has come. */
  loaded = false;
  /** True while someone reads: then nothing moves, and answers that come late are not shown. */
  held = false;
  /** Microseconds: a search for what is rare has ended there for now; null: all calls down to the last row are shown. */
  searched = null;
  /** True while older calls are fetched. */
  paging = false;
  #filter;
  #older = null;
  #head;
  #shown = ""; // the newest page, by its ids

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

  /** Add the page below the last row; where the search for it is long, go on until something is found or all is. */
  async older() {
    if (this.paging || this.#older === null) return;
    this.paging = true;
    const filter = this.#filter();
    try {
      for (let found = 0; found === 0 && this.#older !== null; ) {
        this.dispatchEvent(new Event("change"));
        const cursor = this.#older;
        const page = await get(PATH, { ...filter, limit: PAGE, before: cursor });
        // Only if this is still where the list ends: meanwhile it may have begun anew.
        if (cursor !== this.#older) break;
        found = page.count;
        this.rows = this.rows.concat(rowsOf(page));
        this.#older = page.older;
        this.searched = page.searched_us;
      }
    } catch (error) {
      this.error = error;
    }
    this.paging = false;
    this.dispatchEvent(new Event("change"));
  }

  #receive({ value, error }) {
    if (this.held && this.loaded) return;
    this.error = error;
    if (value && !error) {
      this.#show(rowsOf(value), value);
      this.loaded = true;
    }
    this.dispatchEvent(new Event("change"));
  }

  /** Older pages are kept while the newest is what it was. */
  #show(rows, { columns, older, searched_us }) {
    const shown = columns.id.join();
    if (this.loaded && shown === this.#shown) return;
    this.#shown = shown;
    this.rows = rows;
    this.#older = older;
    this.searched = searched_us;
  }

  #forget() {
    this.rows = [];
    this.loaded = false;
    this.searched = null;
    this.#older = null;
  }
}

function rowsOf({ columns }) {
  const keys = Object.keys(columns);
  return columns.id.map((_, at) => Object.fromEntries(keys.map((key) => [key, columns[key][at]])));
}
