/** Which images of a run look alike; remembered, so that a second start does not search again. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { touch, writeFileWhole } from '../base/files.ts';
import { printsOf } from './cache/image_facts.ts';
import { type NearPair, nearPairs } from './near.ts';

/** Raise it when the same images would come out as other pairs. */
const VERSION = 3;

/** What must be known of an image. */
export interface Seen {
  pixelHash: string;
  /** See `lookOf`. */
  look: string;
  /** From the source: images of one group belong together. */
  group?: string;
}

/**
 * Pairs of images that look alike but are not equal, the most alike first; of equal ones only the first counts. Where a
 * source says for both images which belong together, it knows better than looks.
 * @param folder of the cache, for what is remembered
 */
export async function alikePairs(
  images: readonly Seen[],
  folder: string,
  signal?: AbortSignal,
): Promise<NearPair[]> {
  const positions = new Map<string, number>();
  for (const [i, { pixelHash }] of images.entries()) {
    if (!positions.has(pixelHash)) positions.set(pixelHash, i);
  }
  const places = [...positions.values()];
  const pairs = await remembered([...positions.keys()], folder, () =>
    nearPairs(printsOf(places.map((place) => images[place]!.look)), signal),
  );
  const isGrouped = (position: number) => images[position]!.group !== undefined;
  return pairs
    .map((pair) => ({ ...pair, first: places[pair.first]!, second: places[pair.second]! }))
    .filter(({ first, second }) => !isGrouped(first) || !isGrouped(second));
}

/** Equal pixels have equal prints: what is known of the ones is known of the others. */
async function remembered(
  pixelHashes: string[],
  folder: string,
  find: () => Promise<NearPair[]>,
): Promise<NearPair[]> {
  const key = createHash('sha256')
    .update(`${VERSION} ${pixelHashes.join('')}`)
    .digest('hex');
  const path = join(folder, `memo-alike-${key.slice(0, 32)}.json`);
  try {
    const memo = JSON.parse(await readFile(path, 'utf8'));
    await touch(path);
    const isPlace = (place: number) => Number.isInteger(place) && place >= 0 && place < pixelHashes.length;
    const right = memo.every(([first, second]: number[]) => isPlace(first!) && isPlace(second!));
    if (right) return memo.map(fromRow);
  } catch {
    // None, or none that can be read: searched again.
  }
  const pairs = await find();
  await writeFileWhole(path, JSON.stringify(pairs.map(toRow)));
  return pairs;
}

type Row = [first: number, second: number, likeness: number, mirrored: 0 | 1];

function toRow({ first, second, likeness, mirrored }: NearPair): Row {
  return [first, second, Math.round(likeness * 1e4) / 1e4, mirrored ? 1 : 0];
}

function fromRow([first, second, likeness, mirrored]: Row): NearPair {
  return { first, second, likeness, mirrored: mirrored === 1 };
}
