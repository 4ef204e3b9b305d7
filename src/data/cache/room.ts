/** The size of the cache: what was unused for longest gives way, what anybody uses stays. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAddon } from '../../model/addon.ts';
import { indexPath } from './segment.ts';

interface Kept {
  path: string;
  bytes: number;
  /** When it was last used, in ms. */
  used: number;
}

/**
 * Evicts segments of any image size until `bytes` more fit, the one unused for longest first. Those that a living
 * process has open (`openPixels`) stay, and so do those of `keep`: then the limit is exceeded by them.
 * @param limit bytes of all pixel files in the cache folder
 * @returns the pixel files that are gone
 */
export async function makeRoom(
  cacheDir: string,
  limit: number,
  bytes: number,
  keep: ReadonlySet<string>,
): Promise<string[]> {
  const all = await pixelFiles(cacheDir);
  let excess = all.reduce((sum, file) => sum + file.bytes, bytes) - limit;
  const evicted: string[] = [];
  for (const { path, bytes } of all.sort((a, b) => a.used - b.used)) {
    if (excess <= 0) break;
    if (!path.endsWith('.pixels') || keep.has(path) || !(await loadAddon().removeUnusedPixels(path)))
      continue;
    await rm(indexPath(path), { force: true });
    excess -= bytes;
    evicted.push(path);
  }
  return evicted;
}

/** All that takes room: pixel files, and those being written. */
async function pixelFiles(cacheDir: string): Promise<Kept[]> {
  const folders = (await readdir(cacheDir)).filter((name) => name.startsWith('pixels-'));
  const files = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(join(cacheDir, folder)).catch(() => []);
      const paths = names.map((name) => join(cacheDir, folder, name));
      return Promise.all(paths.filter((path) => /\.(pixels|tmp)$/.test(path)).map(factsOf));
    }),
  );
  return files.flat().filter((file) => file !== undefined);
}

async function factsOf(path: string): Promise<Kept | undefined> {
  const [file, index] = await Promise.all([
    stat(path).catch(() => null),
    stat(indexPath(path)).catch(() => null),
  ]);
  return file ? { path, bytes: file.size, used: (index ?? file).mtimeMs } : undefined;
}
