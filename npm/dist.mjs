// Builds dist/ unless it is up to date: for `npm pack` (prepack), a clone and a git dependency (prepare). prepare has
// `--if-possible`: neither `npm ci --omit=dev` nor a type error in unfinished work may fail an install.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { root } from '../src/setup/addon_place.mjs';
import { dist, distSources, isDistFresh, stampDist } from '../src/setup/dist_place.mjs';
import { installPackages, stampPackages } from '../src/setup/packages.mjs';
import { filesBelow, say } from '../src/setup/shell.mjs';

const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const ifPossible = process.argv.includes('--if-possible');

function buildDist() {
  if (isDistFresh()) return true;
  const wanted = distSources();
  rmSync(dist, { recursive: true, force: true }); // what no source makes any more
  const words = [compiler, '-p', join(root, 'tsconfig.build.json')];
  const { status } = spawnSync(process.execPath, words, { stdio: ['ignore', 2, 2] });
  addCommonJs();
  addPageScript();
  if (status !== 0) return false;
  stampDist(wanted);
  return true;
}

/**
 * dist/cjs: the entry of `require`, and every declaration once more. TypeScript under `node16` refuses an ES module's
 * declarations in CommonJS; these are of CommonJS by the package.json above them.
 */
function addCommonJs() {
  const folder = join(dist, 'cjs');
  for (const path of filesBelow(dist)) {
    if (path.endsWith('.d.ts')) cpSync(path, join(folder, path.slice(dist.length)));
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }\n');
  writeFileSync(join(folder, 'index.js'), "module.exports = require('../index.js');\n");
}

/** What `export --format html` puts into its page; see src/export/html/page_script.ts. */
function addPageScript() {
  const { buildSync } = createRequire(import.meta.url)('esbuild');
  buildSync({
    entryPoints: [join(root, 'src/export/html/browser/page_app.ts')],
    outfile: join(dist, 'export/html/page_app.js'),
    ...{ bundle: true, format: 'iife', target: 'es2022', charset: 'utf8', legalComments: 'none' },
  });
}

if (!ifPossible && !existsSync(compiler)) installPackages();
if (!existsSync(compiler)) {
  say('dist/ is not built: typescript is not installed; run `npm ci`');
} else {
  if (ifPossible) stampPackages(); // npm has just installed them
  if (!buildDist() && !ifPossible) process.exitCode = 1;
}
