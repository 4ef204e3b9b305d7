// Makes a fresh clone ready: packages, compiler, addon. Plain JavaScript, because it runs before anything is
// installed; does nothing in a tenth of a second when all is in place. `--force` builds the addon anyway; `--standin`
// builds a second one for the tests on Linux, native/metal on the stand-in of test/mpsgraph.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const addon = join(root, 'build', 'Release', 'birbs.node');
const addonStamp = join(root, 'build', 'birbs-sources.sha256');
const standin = join(root, 'build', 'standin');
const standinAddon = join(standin, 'Release', 'birbs.node');
const standinStamp = join(standin, 'birbs-sources.sha256');
const packagesStamp = join(root, 'node_modules', 'birbs-lock.sha256');

/** @param {string} line */
function say(line) {
  // On stderr: `--ui json` promises that stdout holds nothing but JSON.
  process.stderr.write(`setup: ${line}\n`);
}

/** @param {string} line */
function fail(line) {
  say(line);
  process.exit(1);
}

/**
 * Runs a command; its output is shown only if it fails.
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args, env = {}) {
  const done = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
    stdio: ['inherit', 'pipe', 'pipe'],
  });
  return { ok: done.status === 0, output: `${done.stdout ?? ''}${done.stderr ?? ''}${done.error ?? ''}` };
}

/** @param {string} command */
function has(command) {
  return run(command, ['--version']).ok;
}

/** @param {string} path */
function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** @param {string[]} paths */
function sha256(paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const bytes = readFileSync(path);
    hash.update(`${path.slice(root.length)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/** @param {string} folder @returns {string[]} */
function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    })
    .sort();
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(
      `Node.js 20.19 or newer is needed, this is ${process.versions.node}; get one from https://nodejs.org`,
    );
  }
}

function installPackages() {
  const lock = join(root, 'package-lock.json');
  if (!existsSync(lock)) return; // installed as a package: npm has done it
  const wanted = sha256([lock]);
  if (read(packagesStamp) === wanted) return;
  say('installing the npm packages of package-lock.json (once)');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const done = run(npm, ['ci', '--no-audit', '--no-fund']);
  if (!done.ok) fail(`npm ci failed; its output was:\n${done.output}`);
  writeFileSync(packagesStamp, wanted);
}

function missingTools() {
  /** @type {string[]} */
  const missing = [];
  if (!has('cmake')) missing.push('cmake');
  if (!has('make') && !has('ninja')) missing.push('make');
  if (!has('c++')) missing.push('g++');
  return missing;
}

function installToolsMac() {
  if (!run('xcode-select', ['-p']).ok) {
    fail('the command line tools are missing; run `xcode-select --install`, then try again');
  }
  if (!has('cmake')) fail('cmake is missing; run `brew install cmake onednn`, then try again');
}

/**
 * apt-get, as root or through sudo. Null where that is not possible.
 * @returns {null | ((...args: string[]) => { ok: boolean, output: string })}
 */
function aptGet() {
  if (process.platform !== 'linux' || !has('apt-get')) return null;
  if (process.getuid?.() === 0) return (...args) => run('apt-get', args, aptEnvironment);
  if (!has('sudo')) return null;
  const canAsk = process.stdin.isTTY || run('sudo', ['-n', 'true']).ok;
  return canAsk ? (...args) => run('sudo', ['apt-get', ...args], aptEnvironment) : null;
}

const aptEnvironment = { DEBIAN_FRONTEND: 'noninteractive' };

function hasOneDnn() {
  return existsSync('/usr/include/oneapi/dnnl/dnnl.hpp') || existsSync('/usr/include/dnnl.hpp');
}

function installToolsLinux() {
  const missing = missingTools();
  const wanted = [...missing, ...(hasOneDnn() ? [] : ['libdnnl-dev'])];
  if (wanted.length === 0) return;
  const apt = aptGet();
  const command = `sudo apt-get install ${wanted.join(' ')}`;
  if (apt) {
    say(`installing ${wanted.join(', ')} with apt-get (once)`);
    const done = apt('update').ok && apt('install', '-y', '--no-install-recommends', ...wanted);
    if (done && !done.ok) say(`apt-get failed: ${done.output.trim().split('\n').at(-1)}`);
  }
  const still = missingTools();
  if (still.length > 0) fail(`${still.join(', ')} missing; run \`${command}\`, then try again`);
  if (!hasOneDnn()) {
    say(
      `oneDNN could not be installed, so the slower portable kernels are built (\`${command}\` to change that)`,
    );
  }
}

/** @param {boolean} force */
function buildAddon(force) {
  const sources = [...filesBelow(join(root, 'native')), ...filesBelow(join(root, 'binding'))];
  const wanted = sha256([join(root, 'CMakeLists.txt'), ...sources]);
  if (!force && existsSync(addon) && read(addonStamp) === wanted) return;
  if (process.platform === 'darwin') installToolsMac();
  else installToolsLinux();
  say('building the native addon (about a minute)');
  const done = build([], ['birbs']);
  if (!done.ok) fail(`the addon did not build; the compiler's output was:\n${done.output}`);
  if (!existsSync(addon)) fail(`the build ended without ${addon}; delete the build folder and try again`);
  writeFileSync(addonStamp, wanted);
}

/**
 * Configures anew, so that a library installed since the last time is found, and builds.
 * @param {string[]} options
 * @param {string[]} targets
 */
function build(options, targets) {
  const cmakeJs = join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js');
  let done = run(process.execPath, [cmakeJs, 'configure', ...options]);
  for (const target of targets) {
    if (!done.ok) break;
    done = run(process.execPath, [cmakeJs, 'build', ...options, '--target', target, '--parallel', '2']);
  }
  return done;
}

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
function buildStandin() {
  if (process.platform !== 'linux') return; // on a Mac the tests use the real frameworks
  const test = filesBelow(join(root, 'test', 'mpsgraph'));
  const sources = [
    ...filesBelow(join(root, 'native')),
    ...filesBelow(join(root, 'binding')),
    ...test.filter((path) => /\.(cpp|h|mm)$|CMakeLists\.txt$/.test(path)),
  ];
  const wanted = sha256([join(root, 'CMakeLists.txt'), ...sources]);
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
  const done = build(options, ['standin_selftest', 'birbs']);
  if (done.ok) writeFileSync(standinStamp, wanted);
  else say(`the MPSGraph stand-in did not build, so its tests will fail; the output was:\n${done.output}`);
}

checkNode();
installPackages();
buildAddon(process.argv.includes('--force'));
if (process.argv.includes('--standin')) buildStandin();
