/** Where the native addon is looked for, and what to do where there is none. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** The package's own folder: this file is in `src/setup` or, compiled, in `dist/setup`. CommonJS bundles have no URL. */
export const root = import.meta.url ? dirname(dirname(dirname(fileURLToPath(import.meta.url)))) : '';

/** Whether a bundler has put this file into another one. */
export const isBundled = nameOf(join(root, 'package.json')) !== 'birbs-metal';

export const platform = `${process.platform}-${process.arch}`;

/** What a build on this machine makes. A literal URL, so that tools that trace files (Next.js, nft) find it. */
export const builtAddon = root && fileURLToPath(new URL('../../build/Release/birbs.node', import.meta.url));

/** npm never packs the lock, so a package that has one is a clone. */
export const isClone = existsSync(join(root, 'package-lock.json'));

/** The command that makes the addon, working where the user is. */
export const setupCommand = isClone ? 'npm run build' : 'npx birbs-metal setup';

/** The addon of the platform's package (see `npm/` in the repository), where one is installed, then the built one. */
export function addonPaths() {
  try {
    const { resolve } = createRequire(import.meta.url);
    return [resolve(`@birbs-metal/${platform}/birbs.node`), builtAddon];
  } catch {
    return [builtAddon];
  }
}

/** @param {string} path of a package.json */
function nameOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).name;
  } catch {
    return '';
  }
}
