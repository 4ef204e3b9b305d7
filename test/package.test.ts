/** The package as others install it: required, imported, bundled, typed, started by its name, with and without addon. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { pictureFolder, temporaryFolder } from './images.ts';
import { installPacked, linkPackage, root, runToEnd } from './packed.ts';

const folder = temporaryFolder('package');
const installed = join(folder, 'node_modules/birbs-metal');
const built = join(installed, 'build/Release/birbs.node');
const addon = process.env.BIRBS_ADDON ?? join(root, 'build/Release/birbs.node');
const platform = `${process.platform}-${process.arch}`;

beforeAll(() => void installPacked(folder));
afterEach(() => rmSync(join(installed, 'build'), { recursive: true, force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const node = (words: string[], env = {}) => runToEnd(process.execPath, words, { cwd: folder, env });
const withAddon = { BIRBS_ADDON: addon };
const withoutAddon = { BIRBS_ADDON: '' };

const use = `const x = birbs.ops.tensor([3], [-1, 0, 2]);
birbs.ops.relu(x, { device: 'cpu' }).then(
  ({ data }) => console.log(typeof birbs.train, typeof birbs.predict, [...data].join()),
  (error) => console.log(error.message));`;
const answer = { code: 0, stdout: 'function function 0,0,2\n', stderr: '' };

test('require and import, from an output folder as Next.js does with serverExternalPackages', async () => {
  const server = join(folder, '.next/server/app');
  mkdirSync(server, { recursive: true });
  writeFileSync(join(server, 'require.cjs'), `const birbs = require('birbs-metal');${use}`);
  writeFileSync(join(server, 'import.cjs'), `import('birbs-metal').then((birbs) => {${use}});`);
  expect(await node([join(server, 'require.cjs')], withAddon)).toEqual(answer);
  expect(await node([join(server, 'import.cjs')], withAddon)).toEqual(answer);
});

test('fewer than 80 packages, and less than 65 MB beside those of sharp', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const names = Object.keys(packages).filter((name) => name && !packages[name].dev);
  const there = names.filter((name) => existsSync(join(root, name)));
  expect(there.length).toBeLessThan(80);
  const ours = there.filter((name) => !/^node_modules\/(sharp$|@img\/)/.test(name));
  const du = execFileSync('du', ['-sk', installed, ...ours], { cwd: root, encoding: 'utf8' });
  const kilobytes = du
    .trim()
    .split('\n')
    .map((line) => Number.parseInt(line, 10));
  expect(kilobytes.reduce((sum, size) => sum + size)).toBeLessThan(65_000);
});

const consumer = `import { ops, predict, type Results, type TrainOptions, train, UserError } from 'birbs-metal';
const options: Partial<TrainOptions> = { data: ['photos'], epochs: 1 };
export const results: Promise<Results> = train(options, { onEvent: (event) => console.log(event.type) });
export async function label(): Promise<string | undefined> {
  for await (const answer of predict(['x'])) return 'error' in answer ? answer.error : answer.label;
  return undefined;
}
export const shape: Promise<number[]> = ops.relu(ops.tensor([1], [1])).then((y) => y.shape);
export const error: Error = new UserError('x');
// @ts-expect-error there is no such option
void train({ nothing: 1 });
`;

test.each([
  ['nodenext', 'nodenext'],
  ['node16', 'node16'],
  ['preserve', 'bundler'],
])('types under module %s, resolution %s, from ES modules and CommonJS', async (module, resolution) => {
  writeFileSync(
    join(folder, 'consumer.mts'),
    `${consumer}import * as all from 'birbs-metal'; void all.train;`,
  );
  writeFileSync(
    join(folder, 'consumer.cts'),
    `${consumer}import all = require('birbs-metal'); void all.train;`,
  );
  const words = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2023', '--types', 'node'];
  const types = ['--typeRoots', join(root, 'node_modules/@types'), 'consumer.mts', 'consumer.cts'];
  const how = ['--module', module, '--moduleResolution', resolution];
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  expect(await node([tsc, ...words, ...how, ...types])).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('npx birbs-metal trains', async () => {
  const npx = (...words: string[]) =>
    runToEnd('npx', ['--no', '--', 'birbs-metal', ...words], { cwd: folder, env: withAddon });
  expect((await npx('--help')).stdout).toContain('  birbs-metal train [options] ');
  await pictureFolder(join(folder, 'photos'), 8, 8);
  const line =
    '--data photos --network birbs --image-size 16 --epochs 1 --batch-size 8 --ui none --run run --cache cache';
  expect(await npx('train', ...line.split(' '))).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, 'run/best.safetensors'))).toBe(true);
  // Its script is bundled as the package is built.
  expect(await npx('export', 'run', '--format', 'html')).toMatchObject({ code: 0 });
  expect(readFileSync(join(folder, 'run/best.html'), 'utf8')).toContain('answerTo');
});

test.each(['cjs', 'esm'] as const)(
  'bundled by esbuild to %s: as an external package only',
  async (format) => {
    const entry = join(folder, 'app.js');
    writeFileSync(entry, `import * as birbs from 'birbs-metal';${use}`);
    const out = join(folder, 'out', format, format === 'esm' ? 'app.mjs' : 'app.cjs');
    const bundle = (external: string[]) =>
      build({ entryPoints: [entry], bundle: true, platform: 'node', format, outfile: out, external });
    await bundle(['birbs-metal']);
    expect(await node([out], withAddon)).toEqual(answer);
    await bundle(['sharp', 'yauzl', 'undici', 'tar-stream']);
    expect(await node([out], withAddon)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^birbs-metal .*bundled into another file; mark it as external/),
    });
  },
);

/** The addon that is loaded where none is named; the error's message where none is. */
async function loaded(env = {}): Promise<string> {
  const script = `const { ops } = require('birbs-metal');
    const path = () => Object.keys(require.cache).filter((path) => path.endsWith('.node') && !path.includes('sharp'));
    ops.relu(ops.tensor([1], [1]), { device: 'cpu' }).then(() => console.log(path().join()), (e) => console.log(e.message));`;
  return (await node(['-e', script], { ...withoutAddon, ...env })).stdout.trim();
}

test("the platform's package comes before the local build", async () => {
  const packaged = join(folder, 'node_modules/@birbs-metal', platform);
  mkdirSync(join(installed, 'build/Release'), { recursive: true });
  cpSync(addon, built);
  expect(await loaded()).toBe(realpathSync(built));
  cpSync(join(root, 'npm', platform, 'package.json'), join(packaged, 'package.json'));
  cpSync(addon, join(packaged, 'birbs.node'));
  expect(await loaded()).toBe(realpathSync(join(packaged, 'birbs.node')));
  // One that does not fit this machine.
  writeFileSync(join(packaged, 'birbs.node'), 'no addon');
  expect(await loaded()).toBe(realpathSync(built));
  rmSync(built);
  expect(await loaded()).toMatch(
    /could not be loaded \(.*@birbs-metal.*birbs\.node: .+; .*Release.birbs\.node: no such file\); run `npx birbs-metal setup`/,
  );
  rmSync(packaged, { recursive: true });
});

const install = (env: Record<string, string>) => node([join(installed, 'src/setup/install.mjs')], env);

test('no compiler: install and first use end in one sentence, and setup says what to install', async () => {
  const bare = { ...withoutAddon, PATH: folder };
  const [missing, mend] =
    process.platform === 'darwin'
      ? ["cmake, Apple's command line tools", /^Error: .*run `xcode-select --install`, then try again\n$/]
      : [
          'cmake, make, g++',
          /^Error: .*without cmake, make, g\+\+; install cmake, make, g\+\+.*, then try again\n$/,
        ];
  const sentence = `The native addon is not built for ${platform} (missing: ${missing}); run \`npx birbs-metal setup\` to build it`;
  expect(await install(bare)).toEqual({ code: 0, stdout: '', stderr: `setup: ${sentence}\n` });
  expect(await loaded(bare)).toBe(sentence);
  const command = join(installed, 'dist/cli.js');
  const doctor = await node([command, 'doctor'], bare);
  expect(doctor).toMatchObject({ code: 1, stderr: `Error: ${sentence}\n` });
  expect(await node([command, 'setup'], bare)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(mend),
  });
});

/** A PATH with a cmake that copies the addon in place of building it, and waits for `go` before; its calls. */
function fakeTools(): { env: Record<string, string>; builds: () => number; go: string } {
  const tools = join(folder, 'tools');
  rmSync(tools, { recursive: true, force: true });
  mkdirSync(tools);
  const script = `#!/bin/sh
PATH=/usr/bin:/bin
case "$1" in
  -S) for word; do case "$word" in
        -DCMAKE_LIBRARY_OUTPUT_DIRECTORY=*) echo "\${word#*=}" > '${tools}/out' ;;
        -DCMAKE_JS_INC=*) ls $(echo "\${word#*=}" | tr ';' ' ') > '${tools}/headers' ;;
      esac; done ;;
  --build) echo >> '${tools}/builds'
    until [ -e '${tools}/go' ]; do sleep 0.02; done
    mkdir -p "$(cat '${tools}/out')" && cp '${addon}' "$(cat '${tools}/out')/birbs.node" ;;
esac
`;
  for (const name of ['cmake', 'make', 'c++', 'xcode-select'])
    writeFileSync(join(tools, name), script, { mode: 0o755 });
  writeFileSync(join(tools, 'builds'), '');
  const builds = () => readFileSync(join(tools, 'builds'), 'utf8').length;
  return { env: { ...withoutAddon, PATH: tools }, builds, go: join(tools, 'go') };
}

test('with a compiler: install builds in the package, once, and leaves nothing else there', async () => {
  const { env, builds, go } = fakeTools();
  writeFileSync(go, '');
  const done = await install(env);
  expect(done).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('setup: building the native addon'),
  });
  expect(readFileSync(join(folder, 'tools/headers'), 'utf8')).toMatch(/^napi\.h$(.|\n)*^node_api\.h$/m);
  expect(await loaded()).toBe(realpathSync(built));
  expect(readdirSync(join(installed, 'build')).sort()).toEqual(['Release', 'birbs-sources.sha256']);
  expect(await install(env)).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(builds()).toBe(1);
});

test('two setups at once: the second waits and takes what the first has built', async () => {
  const { env, builds, go } = fakeTools();
  const onStderr = (stderr: string) => {
    if (stderr.includes('waiting for another setup')) writeFileSync(go, '');
  };
  const script = join(installed, 'src/setup/install.mjs');
  const start = () => runToEnd(process.execPath, [script], { cwd: folder, env, onStderr });
  expect((await Promise.all([start(), start()])).map(({ code }) => code)).toEqual([0, 0]);
  expect(builds()).toBe(1);
  expect(existsSync(join(installed, 'build/setup.lock'))).toBe(false);
});

test('a lock whose process is dead is no obstacle', async () => {
  const { env, go } = fakeTools();
  writeFileSync(go, '');
  const { stdout: host } = await node(['-p', "process.pid + ' on ' + require('os').hostname()"]);
  mkdirSync(join(installed, 'build'));
  writeFileSync(join(installed, 'build/setup.lock'), `process ${host.trim()}`);
  await install(env);
  expect(existsSync(built)).toBe(true);
});

test("a build that fails: the compiler's output and the sentence, and the install succeeds", async () => {
  const { env } = fakeTools();
  writeFileSync(
    join(folder, 'tools/cmake'),
    '#!/bin/sh\n[ "$1" = --version ] || { echo no such option; exit 1; }\n',
  );
  const done = await install(env);
  expect(done.code).toBe(0);
  expect(done.stderr).toContain('no such option');
  expect(done.stderr).toContain(`setup: ${await loaded()}\n`);
});

test('a package that may not be written to: who should run the setup', async () => {
  const { env, go } = fakeTools();
  writeFileSync(go, '');
  // Everybody may read it, nobody (or, not as root, this user) may write.
  for (const path of [folder, join(folder, 'node_modules'), join(folder, 'tools')]) chmodSync(path, 0o755);
  chmodSync(installed, 0o555);
  const uid = process.getuid?.() === 0 ? 65534 : undefined;
  const script = join(installed, 'src/setup/install.mjs');
  const done = await runToEnd(process.execPath, [script], { cwd: '/', env, uid });
  chmodSync(installed, 0o755);
  expect(done.code).toBe(0);
  expect(done.stderr).toMatch(/can't be written to .*run `npx birbs-metal setup` as the user who installed/);
});

test.runIf(process.platform === 'linux')('little memory: the commands end in one sentence', async () => {
  const below = (kilobytes: number, ...words: string[]) => {
    const shell = `ulimit -c 0; ulimit -v ${kilobytes}; exec "$0" "$@"`;
    return runToEnd('bash', ['-c', shell, process.execPath, ...words], { cwd: folder });
  };
  const command = join(installed, 'dist/cli.js');
  for (const [kilobytes, found] of [
    [900_000, '0.9'],
    [1_300_000, '1.3'],
  ] as const) {
    // From 24 on, Node.js itself does not start with 900,000 kB.
    if ((await below(kilobytes, '-e', '0')).code !== 0) continue;
    for (const words of [['train'], ['predict', 'photo.jpg'], ['data', 'photos'], ['doctor']])
      expect(await below(kilobytes, command, ...words)).toEqual({
        code: 1,
        stdout: '',
        stderr: `Error: Expected at least 3.0 GB of address space, but the limit is ${found} GB; raise it with \`ulimit -v unlimited\`\n`,
      });
  }
});

test('the demo: one command brings its drawings', async () => {
  const command = join(installed, 'dist/cli.js');
  const sources = ['--birds', 'demo?label=bird&limit=2', '--not-birds', 'demo?label=not-bird&limit=2'];
  const words = [command, 'data', ...sources, '--image-size', '16', '--cache', 'cache'];
  const missing = await node(words, withAddon);
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const sets = ['noto', 'twemoji', 'fluent-emoji-flat', 'openmoji'].map((set) => `@iconify-json/${set}`);
  const wanted = sets.map((name) => `${name}@${packages[`node_modules/${name}`].version}`).join(' ');
  expect(missing).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`run \`npm install ${wanted}\`\n`),
  });
  // In a folder that is not above the package, as with a global install.
  const project = join(folder, 'project');
  for (const name of sets) linkPackage(project, name);
  const found = await runToEnd(process.execPath, words, { cwd: project, env: withAddon });
  expect(found).toMatchObject({ code: 0 });
});
