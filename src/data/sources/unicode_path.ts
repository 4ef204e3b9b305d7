/** A path whose names are in another Unicode form than on the disk: macOS writes them decomposed. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The existing path whose names equal these in any Unicode form; if there is none, the path itself. */
export function pathAsThere(path: string): string {
  if (existsSync(path) || path.normalize('NFD') === path.normalize('NFC')) return path;
  let found = path.startsWith('/') ? '/' : '';
  for (const name of path.split('/').filter((part) => part !== '')) {
    const next = join(found, name);
    const same = existsSync(next) ? name : nameIn(found, name.normalize('NFC'));
    if (same === undefined) return path;
    found = join(found, same);
  }
  return found;
}

function nameIn(folder: string, name: string): string | undefined {
  try {
    return readdirSync(folder || '.').find((other) => other.normalize('NFC') === name);
  } catch {
    return undefined;
  }
}
