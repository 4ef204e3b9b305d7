/** The package as others install it: built to JavaScript, required, imported, started by its name. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporaryFolder } from './images.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = temporaryFolder('package');
const installed = join(folder, 'node_modules/birbs-metal');
const addon = process.env.BIRBS_ADDON ?? join(root, 'build/Release/birbs.node');

beforeAll(() => {
  mkdirSync(installed, { recursive: true });
  cpSync(join(root, 'package.json'), join(installed, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules'));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const words = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(installed, 'dist')];
  execFileSync(process.execPath, words, { stdio: 'pipe' });
});
afterAll(() => rmSync(folder, { recursive: true }));

const node = (...words: string[]) =>
  execFileSync(process.execPath, words, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, BIRBS_ADDON: addon },
    stdio: 'pipe',
  });

const use = `const x = birbs.ops.tensor([3], [-1, 0, 2]);
birbs.ops.relu(x).then(({ data }) => console.log(typeof birbs.train, typeof birbs.predict, [...data].join()));`;

test('require', () => {
  expect(node('-e', `const birbs = require('birbs-metal');${use}`)).toBe('function function 0,0,2\n');
});

test('import', () => {
  expect(node('--input-type=module', '-e', `import * as birbs from 'birbs-metal';${use}`)).toBe(
    'function function 0,0,2\n',
  );
});

test('types come with it', () => {
  expect(statSync(join(installed, 'dist/index.d.ts')).isFile()).toBe(true);
});

test('birbs-metal, the command', () => {
  const command = join(installed, 'dist/cli.js');
  expect(node(command, '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(node(command, 'train', '--help')).toContain('npx birbs-metal train [options]');
});

const platform = `${process.platform}-${process.arch}`;
const packaged = join(folder, 'node_modules/@birbs-metal', platform);
const built = join(installed, 'build/Release/birbs.node');

/** The addon that is loaded where none is named; the error's message where none is. */
function loaded(): string {
  const script = `const { ops } = require('birbs-metal');
    const path = () => Object.keys(require.cache).filter((path) => path.endsWith('.node') && !path.includes('sharp'));
    ops.relu(ops.tensor([1], [1]), { device: 'cpu' }).then(() => console.log(path().join()), (e) => console.log(e.message));`;
  const env = { ...process.env, BIRBS_ADDON: '' };
  return execFileSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8', env }).trim();
}

test("the platform's package comes before the local build", () => {
  mkdirSync(join(installed, 'build/Release'), { recursive: true });
  cpSync(addon, built);
  expect(loaded()).toBe(realpathSync(built));
  cpSync(join(root, 'npm', platform, 'package.json'), join(packaged, 'package.json'));
  cpSync(addon, join(packaged, 'birbs.node'));
  expect(loaded()).toBe(realpathSync(join(packaged, 'birbs.node')));
  // One that does not fit this machine.
  writeFileSync(join(packaged, 'birbs.node'), 'no addon');
  expect(loaded()).toBe(realpathSync(built));
  rmSync(built);
  expect(loaded()).toMatch(
    /could not be loaded \(.*@birbs-metal.*birbs\.node: .+; .*Release.birbs\.node: no such file\)/,
  );
  rmSync(packaged, { recursive: true });
});
