/** dist/, the compiled sources, and whether it is of the sources as they are. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './addon_place.mjs';
import { filesBelow, read, sha256 } from './shell.mjs';

export const dist = join(root, 'dist');
const stamp = join(root, 'build', 'dist-sources.sha256');

export function isDistFresh() {
  return existsSync(dist) && read(stamp) === distSources();
}

/** The checksum of all that dist/ is made of. */
export function distSources() {
  const configs = ['tsconfig.json', 'tsconfig.build.json', 'npm/dist.mjs'].map((name) => join(root, name));
  return sha256([...configs, ...filesBelow(join(root, 'src'))]);
}

/**
 * Remembers what dist/ was made of.
 * @param {string} sources what `distSources` said before
 */
export function stampDist(sources) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, sources);
}
