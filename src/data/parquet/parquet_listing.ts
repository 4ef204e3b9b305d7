/** What is in a parquet file, listed without its images. */

import type { Listing, Skipped, SourceLabel } from '../part.ts';
import { type Span, windowsOf } from './file_windows.ts';
import type { ParquetFile, ParquetReader, Rows, Shape } from './parquet_reader.ts';

type Named = Pick<ParquetFile, 'name'>;

/** Everything in the file. */
export async function listAll(
  reader: ParquetReader,
  file: ParquetFile,
  signal?: AbortSignal,
): Promise<Listing> {
  const shape = await reader.shape(file, signal);
  const found = new FoundImages(file, shape);
  for (const span of windowsOf(shape.groups, ({ listedBytes }) => listedBytes)) {
    found.add(span, await reader.rows(file, span, signal));
  }
  return found.listing();
}

/** The images of some rows of a file, added in row order. */
export class FoundImages {
  readonly #file: Named;
  readonly #shape: Omit<Shape, 'groups'>;
  readonly #rows: number[] = [];
  readonly #images: number[] = [];
  readonly #labels: number[] = [];
  readonly #values = new Map<string, SourceLabel & { number: number }>();
  readonly #filtered: Skipped[] = [];
  /** Whether image i is row i. */
  #plain = true;

  constructor(file: Named, shape: Omit<Shape, 'groups'>) {
    this.#file = file;
    this.#shape = shape;
    this.#plain = !shape.many;
  }

  /**
   * @param most images to take, from the first on
   * @returns how many were taken
   */
  add(
    { first, limit }: Span,
    { counts, labels, values, birds }: Rows,
    most = Number.POSITIVE_INFINITY,
  ): number {
    const numbers = (values ?? []).map((value) => this.#numberOf(value));
    const words = new Map(birds);
    const before = this.#labels.length;
    for (let row = 0; row < limit; row++) {
      for (let image = 0; image < (counts?.[row] ?? 1); image++) {
        if (this.#labels.length - before >= most) return most;
        const word = words.get(row);
        if (word === undefined) this.#take(first + row, image, numbers[labels?.[row] ?? -1] ?? -1);
        else this.#leaveOut(first + row, image, word);
      }
    }
    return this.#labels.length - before;
  }

  #take(row: number, image: number, label: number): void {
    if (row !== this.#labels.length) this.#plain = false;
    this.#rows.push(row);
    this.#images.push(image);
    this.#labels.push(label);
  }

  #leaveOut(row: number, image: number, word: string): void {
    const reason = `its text speaks of birds: "${word}"`;
    this.#filtered.push({ name: imageName(this.#file, this.#nameOf(row, image)), reason });
  }

  #nameOf(row: number, image: number): string {
    return this.#shape.many ? `${row}.${image}` : `${row}`;
  }

  /** A folder that the images of a class were in counts only if all of them were in it. */
  #numberOf(label: SourceLabel): number {
    const known = this.#values.get(label.value);
    if (!known) {
      const number = this.#values.size;
      this.#values.set(label.value, { ...label, number });
      return number;
    }
    if (known.folder !== label.folder) known.folder = undefined;
    return known.number;
  }

  listing(): Listing {
    const { label = 'label', classNames } = this.#shape;
    return {
      count: this.#labels.length,
      names: this.#plain ? undefined : this.#rows.map((row, i) => this.#nameOf(row, this.#images[i]!)),
      labels: Int32Array.from(this.#labels),
      labelNames: [...this.#values.values()].map(({ number, ...label }) => label),
      classNames,
      notes: label === 'label' ? undefined : [`labels from the column ${JSON.stringify(label)}`],
      skipped: [],
      filtered: this.#filtered.length > 0 ? this.#filtered : undefined,
      ignored: 0,
    };
  }
}

/** "file.parquet#row" or "file.parquet#row.image". */
export function imageName({ name }: Named, image: string): string {
  return `${name}#${image}`;
}
