/** The npm packages of a clone. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { root } from './addon_place.mjs';
import { read, run, SetupError, say, sha256 } from './shell.mjs';

const lock = join(root, 'package-lock.json');
const stamp = join(root, 'node_modules', 'birbs-lock.sha256');

export function installPackages() {
  if (read(stamp) === sha256([lock])) return;
  say('installing the npm packages of package-lock.json (once)');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const done = run(npm, ['ci', '--no-audit', '--no-fund']);
  if (!done.ok) throw new SetupError(`npm ci failed; its output was:\n${done.output}`);
  stampPackages();
}

/** Remembers which lock the packages are of. */
export function stampPackages() {
  writeFileSync(stamp, sha256([lock]));
}
