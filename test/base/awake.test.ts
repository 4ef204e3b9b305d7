/** A Mac's tools, played by scripts. */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { stayAwake } from '../../src/base/awake.ts';
import { temporaryFolder } from '../images.ts';

const folder = temporaryFolder('awake');
// The script of a test may still be writing its last word.
afterAll(() => rmSync(folder, { recursive: true, maxRetries: 10, retryDelay: 50 }));
afterEach(() => vi.unstubAllEnvs());

const words = join(folder, 'words');
function script(name: string, text: string) {
  writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}

test('caffeinate runs for this process, without the display, and ends with the training', async () => {
  script(
    'caffeinate',
    `trap 'echo ended >> ${words}; exit' TERM; echo "$@" > ${words}; for i in $(seq 200); do sleep 0.05; done`,
  );
  script(
    'pmset',
    `echo "Now drawing from 'Battery Power'"; echo " -InternalBattery-0 (id=1)	41%; discharging; 2:10"`,
  );
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  const awake = await stayAwake('darwin');
  expect(awake.note).toMatch(/^On battery, 41% left: connect the power adapter/);
  await vi.waitFor(() => expect(readFileSync(words, 'utf8')).toBe(`-i -m -w ${process.pid}\n`), 5000);
  awake.end();
  await vi.waitFor(() => expect(readFileSync(words, 'utf8')).toContain('ended'), 5000);
});

test('plugged in there is no note; without the tools nothing happens', async () => {
  script('pmset', `echo "Now drawing from 'AC Power'"; echo " -InternalBattery-0 (id=1)	100%; charged"`);
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  const plugged = await stayAwake('darwin');
  expect(plugged.note).toBeUndefined();
  plugged.end();
  vi.stubEnv('PATH', '/nowhere');
  const bare = await stayAwake('darwin');
  expect(bare.note).toBeUndefined();
  bare.end();
});

test('elsewhere nothing is started', async () => {
  // A file of its own: the script of the test before may still be ending.
  const started = join(folder, 'started');
  script('caffeinate', `echo > ${started}`);
  vi.stubEnv('PATH', folder);
  (await stayAwake('linux')).end();
  expect(existsSync(started)).toBe(false);
});
