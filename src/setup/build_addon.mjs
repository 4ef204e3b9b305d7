/** Builds the native addon where it is missing or stale. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { addonPaths, builtAddon, isClone, root, setupCommand } from './addon_place.mjs';
import { withBuildLock } from './build_lock.mjs';
import { filesBelow, has, read, run, SetupError, say, sha256 } from './shell.mjs';
import { addonMissing, hasOneDnn, installTools, missingTools, sayWithoutOneDnn } from './tools.mjs';

const buildFolder = join(root, 'build');
const stamp = join(buildFolder, 'birbs-sources.sha256');

export function addonSources() {
  const folders = [join(root, 'native'), join(root, 'binding')];
  return [join(root, 'CMakeLists.txt'), ...folders.flatMap(filesBelow)];
}

/**
 * Builds the addon unless it is in place, after installing what a build needs.
 * @param {boolean} force builds it anyway
 */
export function setUpAddon(force) {
  if (!force && isReady()) return;
  buildOnce(force, installTools);
}

/** npm's install script: builds with what is there and installs nothing outside of the package. */
export function installAddon() {
  if (isClone || isReady()) return; // `npm start` and `npm test` build it in a clone
  const missing = missingTools();
  if (missing.length > 0) say(addonMissing(missing));
  else buildOnce(false, () => {});
}

function isReady() {
  const [prebuilt] = addonPaths().filter((path) => path !== builtAddon);
  if (prebuilt && loads(prebuilt)) return true;
  return isFresh() && (isClone || loads(builtAddon));
}

/**
 * In a process of its own, which a wrong file may end.
 * @param {string} path
 */
function loads(path) {
  const words = ['-e', 'require(process.argv[1])', path];
  return existsSync(path) && spawnSync(process.execPath, words, { stdio: 'ignore' }).status === 0;
}

/** What the addon is made of: with oneDNN installed later it is another one. */
function ingredients() {
  return `${sha256(addonSources())}${hasOneDnn() ? '' : ' without oneDNN'}`;
}

/** Whether the addon that was built here is of the sources as they are. */
export function isFresh() {
  return existsSync(builtAddon) && read(stamp) === ingredients();
}

/**
 * @param {boolean} force
 * @param {() => void} prepare
 */
function buildOnce(force, prepare) {
  try {
    withBuildLock(join(buildFolder, 'setup.lock'), () => {
      if (!force && isReady()) return;
      prepare();
      build();
      writeFileSync(stamp, ingredients());
    });
  } catch (error) {
    const { code = '', message } = /** @type {NodeJS.ErrnoException} */ (error);
    if (!['EACCES', 'EPERM', 'EROFS'].includes(code)) throw error;
    throw new SetupError(
      `${buildFolder} can't be written to (${message}); run \`${setupCommand}\` as the user who installed the package`,
    );
  }
}

function build() {
  if (!hasOneDnn()) sayWithoutOneDnn();
  say('building the native addon (about a minute)');
  const done = isClone ? cmakeJs([], ['birbs']) : cmake();
  if (!done.ok) throw new SetupError(`the addon did not build; the compiler's output was:\n${done.output}`);
  if (existsSync(builtAddon)) return;
  throw new SetupError(`the build ended without ${builtAddon}; delete the build folder and try again`);
}

/**
 * A clone's build. Configures anew, so that a library installed since the last time is found.
 * @param {string[]} options
 * @param {string[]} targets
 */
export function cmakeJs(options, targets) {
  const script = join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js');
  let done = run(process.execPath, [script, 'configure', ...options]);
  for (const target of targets) {
    if (!done.ok) break;
    done = run(process.execPath, [script, 'build', ...options, '--target', target, '--parallel', '2']);
  }
  return done;
}

/**
 * An installed package's build, without the 33 packages of cmake-js. In a folder of its own: a process that has the
 * addon loaded keeps the old file until the new one is whole.
 */
function cmake() {
  const folder = join(buildFolder, `setup-${process.pid}`);
  const out = join(folder, 'Release');
  const { resolve } = createRequire(import.meta.url);
  const headers = [
    join(dirname(resolve('node-api-headers/package.json')), 'include'),
    dirname(resolve('node-addon-api/package.json')),
  ];
  const settings = ['CMAKE_BUILD_TYPE=Release', `CMAKE_LIBRARY_OUTPUT_DIRECTORY=${out}`];
  const defines = [...settings, `CMAKE_JS_INC=${headers.join(';')}`].map((define) => `-D${define}`);
  const generator = has('ninja') ? ['-G', 'Ninja'] : [];
  try {
    let done = run('cmake', ['-S', root, '-B', folder, ...generator, ...defines]);
    const parallel = String(availableParallelism());
    if (done.ok) done = run('cmake', ['--build', folder, '--target', 'birbs', '--parallel', parallel]);
    if (!done.ok) return done;
    mkdirSync(dirname(builtAddon), { recursive: true });
    renameSync(join(out, 'birbs.node'), builtAddon);
    return done;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
