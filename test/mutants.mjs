// `npm run test:mutants`, on Linux: makes one mistake after the other in native/metal (mutant_list.mjs) and builds the
// stand-in's addon with it; each has to be found by a whole step compared with the portable kernels, as the check before
// a run and the canary compare it (mutant_check.ts), or by the tests of the suite. Numbers of mutants as words: only those.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { mutants } from './mutant_list.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = join(root, 'build', 'standin');
const folder = join(root, 'build', 'mutants');
const addon = join(folder, 'birbs.node');
mkdirSync(folder, { recursive: true });

/** @param {string} command @param {string} [cwd] */
function shell(command, cwd = root, env = {}) {
  return spawnSync(command, { shell: true, cwd, env: { ...process.env, ...env }, encoding: 'utf8' });
}

const commands = shell('ninja -t commands birbs', build).stdout.trim().split('\n');
const link =
  commands.find((line) => line.includes('-o Release/birbs.node') || line.includes('birbs.node -o')) ??
  commands.at(-1) ??
  '';

/** @param {string} file @param {string} from @param {string} to */
function make(file, from, to) {
  const path = join(root, 'native', 'metal', file);
  const text = readFileSync(path, 'utf8');
  if (text.split(from).length !== 2) return 'not there once';
  const mutated = join(folder, file);
  writeFileSync(
    mutated,
    text.replace(from, () => to),
  );
  const compile = commands.find((line) => line.includes(` -c ${path}`)) ?? '';
  const object = / -o (\S+) -c /.exec(compile)?.[1] ?? '';
  const own = join(folder, `${file}.o`);
  const words = compile
    .replace(' -O3 ', ' -O0 ')
    .replace(` -o ${object}`, ` -o ${own}`)
    .replace(` -c ${path}`, ` -iquote ${join(root, 'native/metal')} -c ${mutated}`);
  const done = shell(words.replace(/ -MF \S+/, ` -MF ${own}.d`), build);
  if (done.status !== 0) return 'does not compile';
  const linked = shell(link.replace(object, own).replace(/-o \S*birbs\.node/, `-o ${addon}`), build);
  return linked.status === 0 ? '' : `does not link: ${linked.stderr.slice(0, 300)}`;
}

/** `--steps`: without the tests of the suite, which take a minute each. */
const stepsOnly = process.argv.includes('--steps');

/** What finds the mutant that is built, or ''. */
function found() {
  const env = { BIRBS_ADDON: addon, BIRBS_STANDIN_ADDON: addon };
  const check = shell('node --import tsx test/mutant_check.ts', root, env);
  if (check.status !== 0) return `a step compared: ${`${check.stdout}${check.stderr}`.trim().split('\n')[0]}`;
  for (const fault of ['timeout@8', 'raise@6']) {
    const faulty = {
      ...env,
      BIRBS_STANDIN_SPLIT: '60',
      BIRBS_STANDIN_INJECT: fault,
      BIRBS_STANDIN_DELAY: '5',
    };
    const ended = shell('node --import tsx test/mutant_check.ts', root, faulty);
    if (ended.status !== 0) return `a fault: ${`${ended.stdout}${ended.stderr}`.trim().split('\n')[0]}`;
  }
  if (stepsOnly) return '';
  const tests = [
    'test/native/backends',
    'test/native/resume',
    'test/native/precision',
    'test/mpsgraph/faults.test',
  ];
  const suite = shell(`npx vitest run --config test/vitest.config.ts --bail 1 ${tests.join(' ')}`, root, env);
  if (suite.status === 0) return '';
  return `a test: ${/FAIL\s+(.*)/.exec(suite.stdout)?.[1] ?? suite.stdout.slice(-200)}`;
}

const asked = process.argv
  .slice(2)
  .filter((word) => word !== '--steps')
  .map(Number);
let missed = 0;
for (const [i, [file, from, to]] of mutants.entries()) {
  if (asked.length > 0 && !asked.includes(i + 1)) continue;
  const why = make(file, from, to);
  const by = why === '' ? found() : '';
  if (why !== '' || by === '') missed += 1;
  console.log(`${i + 1} ${file}: ${from.slice(0, 60)}: ${why || by || 'NOT FOUND'}`);
}
console.log(missed === 0 ? 'all found' : `${missed} not found`);
process.exitCode = missed === 0 ? 0 : 1;
