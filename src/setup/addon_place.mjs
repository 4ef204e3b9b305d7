/** Where the native addon is looked for, and what to do where there is none. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** The package's own folder: this file is in `src/setup` or, compiled, in `dist/setup`. */
export const root = import.meta.url ? dirname(dirname(dirname(fileURLToPath(import.meta.url)))) : '';

/** Whether a bundler has put this file into another one; to CommonJS it gives no URL. */
export const isBundled = !root || !existsSync(join(root, 'CMakeLists.txt'));

export const platform = `${process.platform}-${process.arch}`;

/** What a build on this machine makes. */
export const builtAddon = join(root, 'build', 'Release', 'birbs.node');

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
