/** What lies in the cache, in the pieces that come and go as a whole. */
import type { Dirent, Stats } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { newName, removeLeftovers } from '../../base/file_owner.ts';
import { temporaryPath } from '../../base/files.ts';
import { loadAddon } from '../../model/addon.ts';

/** All that is named the same up to the first dot: a segment and its index, an unpacked archive, ranges of a file. */
export interface Piece {
  /** Relative to the cache, such as "archives/0123-4567"; what is being written has none. */
  name: string;
  paths: string[];
  /** On the disk. */
  bytes: number;
  /** When it was last used, in ms. */
  used: number;
}

/** Of the piece that a file or folder belongs to. */
export function pieceName(cacheDir: string, path: string): string {
  const stem = basename(path).split('.')[0];
  return stem ? relative(cacheDir, join(dirname(path), stem)) : '';
}

/** All entries of a cache. Other files in its folder are ignored. */
export async function piecesOf(cacheDir: string): Promise<Piece[]> {
  const shelves = await shelvesOf(cacheDir);
  return (await Promise.all(shelves.map((shelf) => piecesOn(cacheDir, shelf)))).flat();
}

/** Folders whose entries are pieces, relative to the cache. */
async function shelvesOf(cacheDir: string): Promise<string[]> {
  const below = async (folder: string) =>
    (await entriesOf(join(cacheDir, folder)))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(folder, name));
  const images = (await below('.')).filter((name) => /^(pixels|features)-/.test(name));
  const kaggle = await Promise.all((await below('kaggle')).map(below));
  return [...images, 'archives', 'sums', join('hub', 'ranges'), join('hub', 'lists'), ...kaggle.flat()];
}

async function piecesOn(cacheDir: string, shelf: string): Promise<Piece[]> {
  const pieces = new Map<string, Piece>();
  const entries = await entriesOf(join(cacheDir, shelf));
  const facts = await Promise.all(entries.map((entry) => factsOf(join(cacheDir, shelf, entry.name), entry)));
  for (const [i, entry] of entries.entries()) {
    const path = join(cacheDir, shelf, entry.name);
    const name = pieceName(cacheDir, path);
    const piece = pieces.get(name) ?? { name, paths: [], bytes: 0, used: 0 };
    pieces.set(name, piece);
    piece.paths.push(path);
    piece.bytes += facts[i]!.bytes;
    piece.used = Math.max(piece.used, facts[i]!.used);
  }
  return [...pieces.values()];
}

async function factsOf(path: string, entry: Dirent): Promise<{ bytes: number; used: number }> {
  const found = await stat(path).catch(() => null);
  if (!found) return { bytes: 0, used: 0 };
  if (!entry.isDirectory()) return { bytes: bytesOf(found), used: found.mtimeMs };
  const within = (await entriesOf(path)).map(({ name }) => stat(join(path, name)).catch(() => null));
  const bytes = (await Promise.all(within)).reduce((sum, file) => sum + (file ? bytesOf(file) : 0), 0);
  return { bytes, used: found.mtimeMs };
}

/** Of a file with holes less than its size; a file system that does not count blocks has 0 of them. */
function bytesOf({ size, blocks }: Stats): number {
  return blocks > 0 ? Math.min(size, blocks * 512) : size;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch(() => []);
}

/** Of a segment the file with the pixels. */
export function pixelsIn({ paths }: Piece): string | undefined {
  return paths.find((path) => path.endsWith('.pixels'));
}

/** What it took to find out something: small, and dear to find out again. */
export function isMemory({ paths }: Piece): boolean {
  return paths.every((path) => path.endsWith('.json'));
}

/** @returns false where a process has its pixels open */
export async function removePiece(piece: Piece): Promise<boolean> {
  const pixels = pixelsIn(piece);
  if (pixels && !(await loadAddon().removeUnusedPixels(pixels))) return false;
  // The record of ranges before their bytes, which are nothing without it.
  for (const path of piece.paths.sort().reverse()) await removeWhole(path);
  return true;
}

/** A folder that a killed process was removing, and what lies unfinished on other shelves. */
export async function removeUnfinished(cacheDir: string): Promise<void> {
  for (const shelf of await shelvesOf(cacheDir)) await removeLeftovers(join(cacheDir, shelf));
}

/** A folder is there whole or not at all; its name in between says whose work it is. */
async function removeWhole(path: string): Promise<void> {
  const isFolder = (await stat(path).catch(() => null))?.isDirectory();
  if (!isFolder) return rm(path, { force: true });
  const gone = temporaryPath(dirname(path), `${basename(path)}-${newName()}`);
  await rename(path, gone).catch((error) => {
    // Another process was as fast.
    if (error.code !== 'ENOENT') throw error;
  });
  await rm(gone, { recursive: true, force: true });
}
