/** The compiler, cmake and oneDNN: what is missing, and getting it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { platform, setupCommand } from './addon_place.mjs';
import { has, run, SetupError, say } from './shell.mjs';

/** What a build needs and does not find, by the names of Debian's packages. */
export function missingTools() {
  // Without the command line tools Apple's `c++` is there, but opens a window.
  const apple = process.platform !== 'darwin' || run('xcode-select', ['-p']).ok;
  /** @type {string[]} */
  const missing = [];
  if (!has('cmake')) missing.push('cmake');
  if (apple && !has('make') && !has('ninja')) missing.push('make');
  if (apple && !has('c++')) missing.push('g++');
  if (!apple) missing.push("Apple's command line tools");
  return missing;
}

/** The sentence that ends an install which could not build, and that every use says until the addon is there. */
export function addonMissing(missing = missingTools()) {
  const why = missing.length > 0 ? ` (missing: ${missing.join(', ')})` : '';
  return `The native addon is not built for ${platform}${why}; run \`${setupCommand}\` to build it`;
}

/** On Apple silicon the addon does without: Accelerate is faster there than the oneDNN that Homebrew has. */
const needsOneDnn = platform !== 'darwin-arm64';

export function hasOneDnn() {
  if (!needsOneDnn) return false;
  return ['/usr/include', '/usr/local/include', '/opt/homebrew/include'].some((folder) =>
    existsSync(join(folder, 'oneapi', 'dnnl', 'dnnl.hpp')),
  );
}

/** Installs what is missing where that is possible without a question; else throws the command to run. */
export function installTools() {
  if (process.platform === 'darwin') installToolsMac();
  else installToolsLinux();
}

function installToolsMac() {
  if (!run('xcode-select', ['-p']).ok) {
    throw new SetupError('the command line tools are missing; run `xcode-select --install`, then try again');
  }
  if (!has('cmake')) {
    throw new SetupError('cmake is missing; run `brew install cmake`, then try again');
  }
}

function installToolsLinux() {
  const missing = missingTools();
  const wanted = [...missing, ...(hasOneDnn() ? [] : ['libdnnl-dev'])];
  if (wanted.length === 0) return;
  const apt = aptGet();
  if (apt) {
    say(`installing ${wanted.join(', ')} with apt-get (once)`);
    const done = apt('update').ok && apt('install', '-y', '--no-install-recommends', ...wanted);
    if (done && !done.ok) say(`apt-get failed: ${done.output.trim().split('\n').at(-1)}`);
  }
  const still = missingTools();
  if (still.length > 0) {
    throw new SetupError(
      `the addon can't be built without ${still.join(', ')}; ${commandFor(wanted)}, then try again`,
    );
  }
}

/** @param {string[]} packages by Debian's names */
function commandFor(packages) {
  if (has('apt-get')) return `run \`sudo apt-get install ${packages.join(' ')}\``;
  return `install ${packages.join(', ')} (as Debian calls them) with your system's package manager`;
}

export function sayWithoutOneDnn() {
  if (!needsOneDnn) return;
  const command = process.platform === 'darwin' ? 'run `brew install onednn`' : commandFor(['libdnnl-dev']);
  say(
    `oneDNN is missing, so the slower portable kernels are built (to change that, ${command}, then \`${setupCommand}\`)`,
  );
}

const aptEnvironment = { DEBIAN_FRONTEND: 'noninteractive' };

/**
 * apt-get, as root or through sudo. Null where that is not possible.
 * @returns {null | ((...args: string[]) => { ok: boolean, output: string })}
 */
export function aptGet() {
  if (process.platform !== 'linux' || !has('apt-get')) return null;
  if (process.getuid?.() === 0) return (...args) => run('apt-get', args, aptEnvironment);
  if (!has('sudo')) return null;
  const canAsk = process.stdin.isTTY || run('sudo', ['-n', 'true']).ok;
  return canAsk ? (...args) => run('sudo', ['apt-get', ...args], aptEnvironment) : null;
}
