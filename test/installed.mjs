/**
 * Installs the tarball of `npm pack` in empty folders, as people do, and uses it: with a compiler, without one, with
 * npm's scripts off, and with the addon's package of the platform. Needs the npm registry, and takes minutes:
 * `node test/installed.mjs birbs-metal-0.1.0.tgz [birbs-metal-linux-x64-0.1.0.tgz]`.
 */
import { equal, match } from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';

const [tarball = '', platformTarball] = process.argv.slice(2).map((path) => resolve(path));
const base = mkdtempSync(join(tmpdir(), 'birbs-installed-'));
const missing =
  /^The native addon is not built for \S+( \(missing: .+\))?; run `npx birbs-metal setup` to build it$/;

/** A PATH with Node.js and npm, but no compiler. */
function bareTools() {
  const tools = join(base, 'tools');
  mkdirSync(tools);
  for (const name of ['node', 'npm', 'npx', 'sh', 'env']) {
    const path = execFileSync('which', [name], { encoding: 'utf8' }).trim();
    symlinkSync(path, join(tools, name));
  }
  return tools;
}

/** @param {string} name @param {string} [PATH] */
function emptyFolder(name, PATH) {
  const cwd = join(base, name);
  mkdirSync(cwd);
  const env = { ...process.env, BIRBS_ADDON: '', ...(PATH ? { PATH } : {}) };
  /** @param {string} line */
  const run = (line) => {
    const [command = '', ...words] = line.split(' ');
    const done = spawnSync(command, words, { cwd, env, encoding: 'utf8' });
    return { code: done.status, text: `${done.stdout}${done.stderr}` };
  };
  /** @param {string} line */
  const must = (line) => {
    const { code, text } = run(line);
    equal(code, 0, `${name}: ${line}\n${text}`);
    return text;
  };
  /** What the first use says. */
  const use = () => {
    const script = `const { ops } = require('birbs-metal');
      ops.relu(ops.tensor([2], [-1, 2])).then(({ data }) => console.log(data.join()), (error) => console.log(error.message));`;
    return execFileSync(process.execPath, ['-e', script], { cwd, env, encoding: 'utf8' }).trim();
  };
  must('npm init -y');
  return { cwd, run, must, use };
}

function withCompiler() {
  const { cwd, must, use } = emptyFolder('with a compiler');
  must(`npm install ${tarball}`);
  equal(use(), '0,2');
  const packages = must('npm ls --all --parseable').trim().split('\n').length - 1;
  const megabytes = execFileSync('du', ['-sm', join(cwd, 'node_modules')], { encoding: 'utf8' });
  console.log(`with a compiler: built; ${packages} packages, ${Number.parseInt(megabytes, 10)} MB on disk`);
}

function withoutCompiler() {
  const { must, run, use } = emptyFolder('without', bareTools());
  const said = must(`npm install --foreground-scripts ${tarball}`);
  match(use(), missing);
  equal(said.includes(`setup: ${use()}\n`), true, said);
  equal(run('npx birbs-metal setup').code, 1);
  console.log(`without a compiler: ${use()}`);
}

function withoutScripts() {
  const { must, run, use } = emptyFolder('scripts off');
  must(`npm install --ignore-scripts ${tarball}`);
  must('npm ci --ignore-scripts');
  match(use(), missing);
  must('npx birbs-metal setup');
  equal(use(), '0,2');
  const train = 'npx birbs-metal train --network birbs --data demo?limit=200 --epochs 1 --ui none --run run';
  const demo = /run `(npm install [^`]+)`/.exec(run(train).text)?.[1] ?? '';
  must(demo);
  must(train);
  console.log(`scripts off: the sentence, then npx birbs-metal setup, ${demo}, and a training`);
}

function withPlatformPackage() {
  const { must, use } = emptyFolder('prebuilt', join(base, 'tools'));
  must(`npm install ${tarball} ${platformTarball}`);
  equal(use(), '0,2');
  console.log('without a compiler, with the package of the platform: it works');
}

try {
  withoutCompiler();
  withCompiler();
  withoutScripts();
  if (platformTarball) withPlatformPackage();
} finally {
  rmSync(base, { recursive: true });
}
