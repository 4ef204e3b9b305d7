/** The package as others install it: built to JavaScript, required, imported, started by its name. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
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
