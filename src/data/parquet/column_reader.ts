/** One pass over the images of a row group, page after page, in memory that does not depend on their sizes. */

import { Count } from './memory_budget.js';
import { Pages } from './pages.js';

/** @typedef {import('./pages.js').Page} Page */
/** @typedef {import('./memory_budget.js').Room} Room */

export class Pass {
  /** The next row. */
  row = 0;
  #chunk;
  #pages;
  /** @type {Page | undefined} */
  #page;

  /** @param {import('./chunk.js').Chunk} chunk */
  constructor(chunk) {
    this.#chunk = chunk;
    this.#pages = new Pages(chunk);
  }

  /**
   * The rows from `begin`, which is not passed yet, to `end`.
   *
   * @param {number} begin
   * @param {number} end
   * @param {Room | Count} room
   */
  async read(begin, end, room) {
    const passed = new Count();
    while (this.row < begin) await this.#row(passed, begin - this.row);
    while (this.row < end) {
      await this.#row(room);
      room.endRow();
    }
  }

  async end() {
    const page = this.#page;
    this.#page = undefined;
    await page?.end();
    await this.#pages.end();
  }

  /**
   * @param {Room | Count} room
   * @param {number} [passed] rows from here on that are not wanted
   */
  async #row(room, passed = 0) {
    const { repeats, item, defined } = this.#chunk;
    let page = this.#hasMore() ? this.#page : await this.#open(passed);
    if (typeof page === 'number') {
      this.row += page;
      return;
    }
    if (!page) throw new Error(`it has no row ${this.row}`);
    do {
      const level = page.definitions?.[page.at] ?? defined;
      page.at += 1;
      if (level === defined) await room.add(page.values);
      else if (!repeats || level >= item) room.addNone();
      if (!repeats) break;
      if (!this.#hasMore()) page = /** @type {Page | undefined} */ (await this.#open());
    } while (page && page.repetitions?.[page.at] !== 0);
    this.row += 1;
  }

  /** Whether the page at hand has. */
  #hasMore() {
    return this.#page !== undefined && this.#page.at < this.#page.count;
  }

  /**
   * The next page; a number: so many rows were passed.
   *
   * @param {number} [passed]
   */
  async #open(passed) {
    await this.#page?.end();
    this.#page = undefined;
    const next = await this.#pages.next(passed);
    if (typeof next !== 'number') this.#page = next;
    return next;
  }
}
