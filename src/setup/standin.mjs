/** A second addon for the tests on Linux: native/metal on the MPSGraph stand-in of test/mpsgraph. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { root } from './addon_place.mjs';
import { addonSources, cmakeJs } from './build_addon.mjs';
import { filesBelow, has, read, run, say, sha256 } from './shell.mjs';
import { aptGet } from './tools.mjs';

const standin = join(root, 'build', 'standin');
const standinAddon = join(standin, 'Release', 'birbs.node');
const standinStamp = join(standin, 'birbs-sources.sha256');

const clangs = ['19', '18', '17', '16'].map((version) => `clang-${version}`);
const objectiveCRuntimes = ['12', '13', '14'].map((version) => `libobjc-${version}-dev`);

function hasObjectiveCRuntime() {
  const gcc = '/usr/lib/gcc';
  if (!existsSync(gcc)) return false;
  return readdirSync(gcc)
    .flatMap((machine) => readdirSync(join(gcc, machine)).map((version) => join(gcc, machine, version)))
    .some((folder) => existsSync(join(folder, 'include', 'objc', 'objc.h')));
}

/** What the stand-in lacks here, each a list of Debian packages of which one is enough. */
function missingForStandin() {
  /** @type {string[][]} */
  const missing = [];
  if (![...clangs, 'clang'].some((name) => has(name.replace('clang', 'clang++')))) {
    missing.push([...clangs, 'clang']);
  }
  if (!existsSync('/usr/include/GNUstep/Foundation/Foundation.h')) missing.push(['libgnustep-base-dev']);
  if (!hasObjectiveCRuntime()) missing.push(objectiveCRuntimes);
  if (!existsSync('/usr/include/Block.h')) missing.push(['libblocksruntime-dev']);
  return missing;
}

/** Returns what is missing still. */
function installStandinTools() {
  const missing = missingForStandin();
  const apt = missing.length > 0 ? aptGet() : null;
  if (!apt) return missing;
  const updated = apt('update');
  const wanted = missing.map(
    (packages) => packages.find((name) => run('apt-cache', ['show', name]).ok) ?? packages[0] ?? '',
  );
  say(`installing ${wanted.join(', ')} with apt-get for the tests (once)`);
  const done = updated.ok ? apt('install', '-y', '--no-install-recommends', ...wanted) : updated;
  if (!done.ok) say(`apt-get failed: ${done.output.trim().split('\n').at(-1)}`);
  return missingForStandin();
}

/** Where this fails it says so and returns: the tests that need the stand-in fail, the others are of use. */
export function buildStandin() {
  if (process.platform !== 'linux') return; // on a Mac the tests use the real frameworks
  const test = filesBelow(join(root, 'test', 'mpsgraph'));
  const sources = test.filter((path) => /\.(cpp|h|mm)$|CMakeLists\.txt$/.test(path));
  const wanted = sha256([...addonSources(), ...sources]);
  if (existsSync(standinAddon) && read(standinStamp) === wanted) return;
  rmSync(standinAddon, { force: true }); // no test may pass with an older one
  const missing = installStandinTools().map((packages) => packages[0]);
  if (missing.length > 0) {
    say(
      `the MPSGraph stand-in can't be built, so its tests will fail; run \`sudo apt-get install ${missing.join(' ')}\``,
    );
    return;
  }
  say('building the MPSGraph stand-in for the tests (about two minutes)');
  const options = ['-O', standin, '--CDBIRBS_STANDIN=ON', '--CDBIRBS_ONEDNN=OFF'];
  const done = cmakeJs(options, ['standin_selftest', 'birbs']);
  if (done.ok) writeFileSync(standinStamp, wanted);
  else say(`the MPSGraph stand-in did not build, so its tests will fail; the output was:\n${done.output}`);
}
