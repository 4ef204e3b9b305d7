/** A folder for one process at a time, and processes that are gone. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isAbandoned, newName, ownerTag } from '../../src/base/file_owner.ts';
import { FolderLocked, LOCK_FOREIGN_MS, lockFolder } from '../../src/base/folder_lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'birbs-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const locks = () => readdirSync(folder).filter((name) => name.startsWith('.lock-'));
const holderOf = (error: unknown) => (error as FolderLocked).holder;

/** Another process that locks the folder and says so. */
async function lockElsewhere() {
  const module = new URL('../../src/base/folder_lock.ts', import.meta.url).href;
  const script = `import { lockFolder } from ${JSON.stringify(module)};
    await lockFolder(process.argv[1]).then(() => console.log('locked'), ({ message }) => console.log(message));
    setInterval(() => {}, 1000);`;
  const words = ['--import', 'tsx', '--input-type=module', '--eval', script, folder];
  const child = spawn(process.execPath, words, {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = await new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve));
  const end = () =>
    new Promise((resolve) => {
      child.once('close', resolve);
      child.kill('SIGKILL');
    });
  return { pid: child.pid!, said: said.trim(), end };
}

test('the second in the same process is refused, and gets the folder when the first lets go', async () => {
  const release = await lockFolder(folder);
  const error = await lockFolder(folder).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(FolderLocked);
  expect(holderOf(error)).toMatchObject({ pid: process.pid, host: undefined });
  expect(Math.abs(Date.parse(holderOf(error).since!) - Date.now())).toBeLessThan(60_000);
  await release();
  expect(locks()).toEqual([]);
  await (await lockFolder(folder))();
});

test('of many at the same moment one gets it', async () => {
  const got = await Promise.allSettled(Array.from({ length: 6 }, () => lockFolder(folder)));
  const locked = got.filter(({ status }) => status === 'fulfilled');
  expect(locked).toHaveLength(1);
  expect(locks()).toHaveLength(1);
  for (const one of locked) if (one.status === 'fulfilled') await one.value();
  await (await lockFolder(folder))();
});

test('another process holds it while it lives, and no longer', async () => {
  const other = await lockElsewhere();
  expect(other.said).toBe('locked');
  const error = await lockFolder(folder).catch((e: unknown) => e);
  expect(holderOf(error)).toMatchObject({ pid: other.pid, host: undefined });
  await other.end();
  expect(locks()).toHaveLength(1);
  await (await lockFolder(folder))();
  expect(locks()).toEqual([]);
});

test.each([
  [
    'of a restart before: the number lives, but began at another time',
    ownerTag().replace(/\w+$/, '12345678'),
  ],
  ['without a process', ownerTag(2 ** 22 - 1)],
])('a lock %s is passed over', async (_, tag) => {
  writeFileSync(join(folder, `.lock-x-${tag}`), '');
  await (await lockFolder(folder))();
  expect(locks()).toEqual([]);
});

test('another machine holds it while it shows itself', async () => {
  const path = join(folder, `.lock-x-00000000-${ownerTag().split('-').slice(1).join('-')}`);
  writeFileSync(path, JSON.stringify({ host: 'attic', since: '2026-01-01T00:00:00Z', confirmed: 1 }));
  const error = await lockFolder(folder).catch((e: unknown) => e);
  expect(holderOf(error)).toEqual({ pid: process.pid, host: 'attic', since: '2026-01-01T00:00:00Z' });
  const silent = statSync(path).mtimeMs / 1000 - LOCK_FOREIGN_MS / 1000 - 1;
  utimesSync(path, silent, silent);
  await (await lockFolder(folder))();
});

test('a process that has ended but was not collected counts as gone', {
  skip: process.platform !== 'linux',
}, async () => {
  // Its parent replaces itself by a program that never asks for its children.
  const child = spawn('bash', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pid = Number(await new Promise((resolve) => child.stdout.once('data', resolve)));
  try {
    await expect.poll(() => isAbandoned(`x-${ownerTag(pid)}`, 0)).toBe(true);
  } finally {
    child.kill('SIGKILL');
  }
});

test('names say whose they are', () => {
  expect(newName()).not.toBe(newName());
  expect(isAbandoned(`${newName()}.tmp`, Number.POSITIVE_INFINITY)).toBe(false);
  expect(isAbandoned('anything', 10, 5)).toBe(true);
  expect(isAbandoned('anything', 5, 10)).toBe(false);
});
