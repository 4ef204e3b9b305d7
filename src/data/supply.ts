/** Where the pixels of images are, brought there if need be. */
import { dirname } from 'node:path';
import { UserError } from '../base/errors.ts';
import { loadAddon, type NativePixels } from '../model/addon.ts';
import type { Origins } from './assemble.ts';
import { letGo } from './cache/cache_budget.ts';
import type { PixelCache } from './cache/pixel_cache.ts';
import { type FillOptions, fillPart } from './fill.ts';

/** Where the images at some positions are. */
export interface Located {
  pixelFiles: string[];
  /** Row of each image in the pixel files, counted over all of them in order (see `NativePixels`). */
  rows: Uint32Array;
}

/** Where they are, opened: what is open is evicted by no process. */
export interface OpenPixels {
  pixels: NativePixels;
  rows: Uint32Array;
}

/** Other processes may evict what was fetched before it is open; so often it is fetched again. */
const ATTEMPTS = 4;

/** Side in pixels of a drawing, where it is asked for as a picture. */
const DRAWN_SIZE = 256;

/** All images of a data set, to be had at any time, though the cache may not hold all of them at once. */
export class Supply {
  readonly #cache: PixelCache;
  readonly #origins: Origins;
  readonly #names: string[];
  readonly #options: Pick<FillOptions, 'size' | 'fit'>;
  /** One fetch after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    cache: PixelCache,
    origins: Origins,
    names: string[],
    options: Pick<FillOptions, 'size' | 'fit'>,
  ) {
    this.#cache = cache;
    this.#origins = origins;
    this.#names = names;
    this.#options = options;
  }

  /**
   * Decodes what the cache does not hold of the images at `positions`, and keeps all of them until it is asked again.
   * @throws UserError that names an image that can't be read any more, or is another one now
   */
  async fetch(positions: Uint32Array, signal?: AbortSignal): Promise<Located> {
    const located = this.#turn.then(() => this.#fetch(positions, signal));
    this.#turn = located.catch(() => {});
    return located;
  }

  async #fetch(positions: Uint32Array, signal?: AbortSignal): Promise<Located> {
    const cache = this.#cache;
    const contents = this.#contents(positions);
    await cache.refresh();
    await cache.keep(contents, { added: true, signal });
    try {
      for (const [number, indexes] of this.#indexes(positions, contents)) {
        const options = { ...this.#options, need: 'pixels', remember: false, signal } as const;
        await fillPart(this.#origins.parts[number]!, cache, { ...options, use: (i) => indexes.has(i) });
      }
    } finally {
      await cache.seal();
    }
    for (const [i, content] of contents.entries()) if (!cache.has(content)) throw this.#lost(positions[i]!);
    return locate(cache, contents);
  }

  /**
   * Fetches images and opens them.
   * @param located where they were last seen; absent: to be fetched
   */
  async open(
    positions: Uint32Array,
    { threads, signal, located }: { threads: number; signal?: AbortSignal; located?: Located },
  ): Promise<OpenPixels> {
    for (let attempt = 1; ; attempt++) {
      const { pixelFiles, rows } = attempt === 1 && located ? located : await this.fetch(positions, signal);
      try {
        return { pixels: await loadAddon().openPixels(pixelFiles, threads), rows };
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  /**
   * The bytes of one image as its source has them; of one that is drawn, a PNG.
   * @throws UserError when it can't be read any more
   */
  async read(position: number, signal?: AbortSignal): Promise<Uint8Array> {
    const { parts, numbers, indexes } = this.#origins;
    const { part, listing } = parts[numbers[position]!]!;
    for await (const image of part.read(listing, (index) => index === indexes[position], signal)) {
      if ('problem' in image) throw new UserError(`${this.#names[position]} ${image.problem}`);
      if (part.render) {
        const { encodePng } = await import('./decode.ts');
        return encodePng(await part.render(image.bytes, DRAWN_SIZE), DRAWN_SIZE);
      }
      return image.bytes.slice();
    }
    throw new UserError(`${this.#names[position]} is not there any more`);
  }

  /** sha256 (hex) of the images at some positions, as they lie in their files. */
  contentsOf(positions: Uint32Array): string[] {
    return this.#contents(positions);
  }

  /** Of images that are all in the cache. */
  locate(positions: Uint32Array): Located {
    return locate(this.#cache, this.#contents(positions));
  }

  /** Ends what runs in the background. */
  async close(): Promise<void> {
    for (const { part } of this.#origins.parts) await part.close?.();
    await letGo(dirname(this.#cache.folder));
  }

  #contents(positions: Uint32Array): string[] {
    const { parts, numbers, indexes } = this.#origins;
    return Array.from(positions, (position) => parts[numbers[position]!]!.contents[indexes[position]!]!);
  }

  /** What has to be read, by the number of the part. */
  #indexes(positions: Uint32Array, contents: string[]): Map<number, Set<number>> {
    const { numbers, indexes } = this.#origins;
    const missing = new Map<number, Set<number>>();
    for (const [i, position] of positions.entries()) {
      if (this.#cache.has(contents[i]!)) continue;
      const number = numbers[position]!;
      const ofPart = missing.get(number) ?? new Set();
      missing.set(number, ofPart.add(indexes[position]!));
    }
    return missing;
  }

  #lost(position: number): UserError {
    const { parts, numbers, indexes } = this.#origins;
    const [part, index] = [parts[numbers[position]!]!, indexes[position]!];
    const reason = part.passing.get(index) ?? part.reasons.get(index) ?? 'is another image now';
    return new UserError(
      `Expected ${this.#names[position]} as it was when the run began, but it ${reason}; train again with the images as they are`,
    );
  }
}

function locate(cache: PixelCache, contents: string[]): Located {
  const places = contents.map((content) => cache.place(content));
  const counts = new Map(places.map(({ path, count }) => [path, count]));
  const pixelFiles = [...counts.keys()].sort();
  const firsts = new Map<string, number>();
  let next = 0;
  for (const path of pixelFiles) {
    firsts.set(path, next);
    next += counts.get(path)!;
  }
  return { pixelFiles, rows: Uint32Array.from(places, ({ path, row }) => firsts.get(path)! + row) };
}
