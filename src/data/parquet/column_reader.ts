/** Reads the images of a row group in the order of the rows, in memory that does not depend on the sizes of pages. */
import type { ColumnChunk } from './column_chunk.ts';
import { ImageCounter, type ImageSink } from './image_buffer.ts';
import { type Page, Pages } from './pages.ts';

export class ColumnReader {
  /** The next row. */
  row = 0;
  readonly #chunk: ColumnChunk;
  readonly #pages: Pages;
  #page: Page | undefined;

  constructor(chunk: ColumnChunk) {
    this.#chunk = chunk;
    this.#pages = new Pages(chunk);
  }

  /**
   * Reads the rows from `begin` to `end` into `sink`.
   * @param begin at or after the next row
   */
  async read(begin: number, end: number, sink: ImageSink): Promise<void> {
    await this.#seek(begin, end);
    const skipped = new ImageCounter();
    while (this.row < begin) await this.#readRow(skipped, begin - this.row);
    while (this.row < end) {
      await this.#readRow(sink);
      sink.endRow();
    }
  }

  async end(): Promise<void> {
    await this.#endPage();
    await this.#pages.end();
  }

  /** Moves to the page of row `begin` and bounds what is read ahead, where an index says where the pages lie. */
  async #seek(begin: number, end: number): Promise<void> {
    const { pages } = this.#chunk;
    if (!pages) return;
    const page = pages.findLast(({ firstRow }) => firstRow <= begin);
    if (page && page.firstRow > this.row) {
      await this.#endPage();
      await this.#pages.seek(page);
      this.row = page.firstRow;
    }
    this.#pages.readUntil(pages.find(({ firstRow }) => firstRow >= end));
  }

  async #endPage(): Promise<void> {
    const page = this.#page;
    this.#page = undefined;
    await page?.end();
  }

  /** @param unwanted rows from here on: whole pages of them are skipped */
  async #readRow(sink: ImageSink, unwanted = 0): Promise<void> {
    const { repeats, itemLevel, valueLevel } = this.#chunk;
    let page = this.#hasMore() ? this.#page : await this.#open(unwanted);
    if (typeof page === 'number') {
      this.row += page;
      return;
    }
    if (!page) throw new Error(`it has no row ${this.row}`);
    do {
      const level = page.definitions?.[page.at] ?? valueLevel;
      page.at += 1;
      if (level === valueLevel) await sink.add(page.values);
      else if (!repeats || level >= itemLevel) sink.addNone();
      if (!repeats) break;
      if (!this.#hasMore()) page = (await this.#open(0)) as Page | undefined;
    } while (page && page.repetitions?.[page.at] !== 0);
    this.row += 1;
  }

  /** Whether the current page has more entries. */
  #hasMore(): boolean {
    return this.#page !== undefined && this.#page.at < this.#page.count;
  }

  /** The next page; a number: the rows of a page that was skipped. */
  async #open(unwanted: number): Promise<Page | number | undefined> {
    await this.#endPage();
    const next = await this.#pages.next(unwanted);
    if (typeof next !== 'number') this.#page = next;
    return next;
  }
}
