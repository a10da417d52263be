// A table of any length: only the rows in sight exist. Works with the keyboard alone.

import { el, say, setText } from "./dom.js";

const SPARE_ROWS = 6; // drawn above and below what is in sight, so that scrolling shows no empty edge
const ROW_PADDING = 1.6; // rem, both sides together, as in grid.css
const FALLBACK_HEIGHT = 32; // px
let grids = 0;

/**
 * Columns: `{key, say, sayTitle, width (rem), grow (its part of what is left over), end (align right), sortable,
 * show(cell, row)}`; a row is whatever `rowAt(index)` gives, `keyOf(row)` its identity.
 * Events: "choose" (detail: the row, by click or Enter), "leave" (Escape), "sort" (detail: column key), "view" (rows
 * in sight changed).
 */
export class Grid extends EventTarget {
  #columns;
  #keyOf;
  #rowAt = () => null;
  #length = 0;
  #pool = [];
  #active = null; // key of the row the keyboard is at
  #activeIndex = -1;
  #chosen = null; // key of the selected row
  #rowHeight = 0;
  #hidden = new Set(); // keys of columns
  #drawing = 0; // number of what is shown: rows drawn at an earlier one are out of date
  #name = `grid-${++grids}`;

  constructor({ columns, keyOf, sayLabel }) {
    super();
    this.#columns = columns;
    this.#keyOf = keyOf;
    this.head = el(
      "div",
      { role: "row", class: "grid-row grid-head", "aria-rowindex": 1 },
      ...columns.map((column) => this.#header(column)),
    );
    this.body = el("div", { role: "rowgroup", class: "grid-body" });
    this.element = el(
      "div",
      { role: "grid", class: "grid", tabindex: 0, sayLabel, "aria-colcount": columns.length },
      el("div", { role: "rowgroup", class: "grid-top" }, this.head),
      this.body,
    );
    this.#layOut();
    this.element.addEventListener("scroll", () => this.#drawInSight(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.body.addEventListener("click", (event) => this.#click(event));
    new ResizeObserver(() => this.#drawInSight()).observe(this.element);
  }

  /** Show `length` rows, told by `rowAt(index)`. */
  show(length, rowAt) {
    this.#length = length;
    this.#rowAt = rowAt;
    this.element.setAttribute("aria-rowcount", length + 1);
    if (this.#active !== null) this.#activeIndex = this.#find(this.#active);
    this.draw();
  }

  /** Mark the row with this key as selected; null for none. */
  choose(key) {
    this.#chosen = key;
    this.draw();
  }

  /** Leave out the columns with these keys, and no others. */
  hide(keys) {
    if (keys.length === this.#hidden.size && keys.every((key) => this.#hidden.has(key))) return;
    this.#hidden = new Set(keys);
    for (const row of [this.head, ...this.#pool]) this.#hideCells(row);
    this.#layOut();
    this.#drawing += 1; // columns that come back have old text
  }

  /** Keys of the columns that are not left out. */
  get shownKeys() {
    return this.#columns.map(({ key }) => key).filter((key) => !this.#hidden.has(key));
  }

  /** `key` of the sorted column and the direction, for the header. */
  sorted(key, descending) {
    this.#columns.forEach((column, at) => {
      const direction = column.key === key ? (descending ? "descending" : "ascending") : "none";
      if (column.sortable) this.head.children[at].setAttribute("aria-sort", direction);
    });
  }

  /** True while the first row is in sight. */
  get atTop() {
    return this.element.scrollTop < (this.#rowHeight || 1);
  }

  /** Index of the last row in sight. */
  get lastInSight() {
    const height = this.element.clientHeight - this.head.offsetHeight;
    return Math.ceil((this.element.scrollTop + height) / (this.#rowHeight || 1)) - 1;
  }

  toTop() {
    this.scrollTo(0);
  }

  /** Bring the row at `index` to the top. */
  scrollTo(index) {
    this.element.scrollTop = index * this.#rowHeight;
    this.#drawInSight();
  }

  /** Draw every row in sight anew. */
  draw() {
    this.#drawing += 1;
    this.#drawInSight();
  }

  /** Draw the rows that have come into sight. */
  #drawInSight() {
    this.#measure();
    this.body.style.height = `${this.#length * this.#rowHeight}px`;
    const inSight = Math.ceil(this.element.clientHeight / this.#rowHeight);
    const wanted = Math.min(this.#length, inSight + 2 * SPARE_ROWS);
    while (this.#pool.length < wanted) this.#pool.push(this.#newRow());
    while (this.#pool.length > wanted) this.#pool.pop().remove();
    const above = Math.floor(this.element.scrollTop / this.#rowHeight) - SPARE_ROWS;
    const first = Math.max(0, Math.min(above, this.#length - wanted));
    // A row keeps its element while it scrolls: index modulo pool size.
    for (let index = first; index < first + wanted; index += 1)
      this.#drawOnce(this.#pool[index % wanted], index);
    this.#markActive();
    this.dispatchEvent(new Event("view"));
  }

  #header(column) {
    const options = { role: "columnheader", class: column.end ? "end" : null };
    if (!column.sortable) return el("div", { ...options, say: column.say, sayTitle: column.sayTitle });
    const sort = () => this.dispatchEvent(new CustomEvent("sort", { detail: column.key }));
    return el(
      "div",
      { ...options, "aria-sort": "none" },
      el(
        "button",
        { type: "button", sayTitle: column.sayTitle, on: { click: sort } },
        el("span", { say: column.say }),
      ),
    );
  }

  #hideCells(row) {
    this.#columns.forEach(({ key }, at) => (row.children[at].hidden = this.#hidden.has(key)));
  }

  #layOut() {
    const shown = this.#columns.filter(({ key }) => !this.#hidden.has(key));
    const track = ({ width, grow }) => (grow ? `minmax(${width}rem, ${grow}fr)` : `${width}rem`);
    const width = shown.reduce((sum, column) => sum + column.width, ROW_PADDING);
    this.element.style.setProperty("--grid-columns", shown.map(track).join(" "));
    this.element.style.setProperty("--grid-width", `${width}rem`);
  }

  #measure() {
    this.#rowHeight = this.head.offsetHeight || FALLBACK_HEIGHT; // 0 while hidden
  }

  #newRow() {
    const cells = this.#columns.map(({ key, end }, at) =>
      el("div", { role: "gridcell", class: end ? "end" : null, "data-column": key, "aria-colindex": at + 1 }),
    );
    const row = el("div", { role: "row", class: "grid-row" }, ...cells);
    this.#hideCells(row);
    this.body.append(row);
    return row;
  }

  #drawOnce(element, index) {
    const drawn = `${this.#drawing} ${index} ${this.#rowHeight}`;
    if (element.drawn === drawn) return;
    element.drawn = drawn;
    this.#drawRow(element, index);
  }

  #drawRow(element, index) {
    const row = this.#rowAt(index);
    const key = this.#keyOf(row);
    element.style.transform = `translateY(${index * this.#rowHeight}px)`;
    element.id = `${this.#name}-${key}`;
    element.dataset.index = index;
    element.dataset.key = key;
    element.setAttribute("aria-rowindex", index + 2);
    element.setAttribute("aria-selected", key === this.#chosen);
    element.classList.toggle("odd", index % 2 === 1);
    this.#columns.forEach((column, at) => {
      if (!this.#hidden.has(column.key)) column.show(element.children[at], row);
    });
  }

  #click({ target }) {
    const element = target.closest(".grid-row");
    if (!element || String(getSelection())) return; // someone is copying text
    this.#setActive(Number(element.dataset.index));
    this.dispatchEvent(new CustomEvent("choose", { detail: this.#rowAt(this.#activeIndex) }));
  }

  #key(event) {
    if (event.target !== this.element || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#rowHeight) - 2);
    const steps = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    if (event.key in steps) {
      this.#setActive(Math.max(0, Math.min(this.#length - 1, this.#activeIndex + steps[event.key])));
      this.#reveal();
    } else if ((event.key === "Enter" || event.key === " ") && this.#activeIndex >= 0) {
      this.dispatchEvent(new CustomEvent("choose", { detail: this.#rowAt(this.#activeIndex) }));
    } else if (event.key === "Escape") {
      this.dispatchEvent(new Event("leave"));
    } else return;
    event.preventDefault();
  }

  #setActive(index) {
    if (!this.#length) return;
    this.#activeIndex = index;
    this.#active = this.#keyOf(this.#rowAt(index));
    this.#markActive();
  }

  #find(key) {
    for (let index = 0; index < this.#length; index += 1)
      if (this.#keyOf(this.#rowAt(index)) === key) return index;
    this.#active = null;
    return -1;
  }

  #markActive() {
    const id = this.#active === null ? null : `${this.#name}-${this.#active}`;
    for (const row of this.#pool) row.classList.toggle("active", row.id === id);
    // Only a row that exists can be pointed at.
    if (id && this.#pool.some((row) => row.id === id)) this.element.setAttribute("aria-activedescendant", id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  #reveal() {
    const top = this.#activeIndex * this.#rowHeight;
    const height = this.element.clientHeight - this.head.offsetHeight;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + this.#rowHeight > this.element.scrollTop + height) {
      this.element.scrollTop = top + this.#rowHeight - height;
    }
    this.#drawInSight();
    // Nothing that sticks to the page's edges may cover it either: see scroll-padding there.
    this.#pool
      .find(({ dataset }) => Number(dataset.index) === this.#activeIndex)
      ?.scrollIntoView({ block: "nearest" });
  }
}

/** A cell that shows one text. */
export function text(cell, shown, title) {
  setText(cell, shown);
  if (title === undefined || cell.title === title) return;
  cell.title = title;
}

/** What stands in a grid's place while it has no rows. */
export function placeholder(sayKey) {
  const element = el("p", { class: "placeholder", role: "status", say: sayKey });
  return { element, show: (key) => (key ? say(element, key) : null, (element.hidden = !key)) };
}
