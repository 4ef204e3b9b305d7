/** Archives and disks that are full, or will be. */
import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { archiveParts } from '../../src/data/sources/archive_source.ts';
import { outcome, testFolder, write } from './made.ts';
import { tarOf, zipOf } from './made_archives.ts';

vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  statfs: async () => ({ bavail: 70, bsize: 1e6 }),
}));

const root = fileURLToPath(new URL('../..', import.meta.url));
const noise = (bytes: number) =>
  Buffer.from(Uint32Array.from({ length: bytes / 4 }, (_, i) => i * 2654435761).buffer);

test.each([
  ['a.tar', async () => tarOf([['bird/a.png', noise(4e6)]])],
  ['a.zip', async () => zipOf([{ name: 'bird/a.png', content: noise(4e6) }])],
])('%s: room on the disk is looked for first', async (name, make) => {
  const folder = testFolder();
  write(folder, { [name]: await make() });
  const [path, cache] = [join(folder, name), join(folder, 'cache')];
  const source = { text: path, kind: 'archive', path } as const;
  const [part] = await archiveParts(source, { role: 'data', labelled: true, size: 8, cacheDir: cache });
  expect(await outcome(part!.list())).toMatch(
    /^UserError: Unpacking ".*" takes about [45] MB, but ".*" has 3 MB left; free some space or choose another folder with --cache$/,
  );
  expect(readdirSync(join(cache, 'archives'))).toEqual([]);
});

test.each([
  ['a.tar', async () => tarOf([['bird/a.png', noise(4e6)]])],
  ['a.zip', async () => zipOf([{ name: 'bird/a.png', content: noise(4e6) }])],
])('%s: a disk that is full after all is told', async (name, make) => {
  const folder = testFolder();
  write(folder, { [name]: await make() });
  const [path, cache] = [join(folder, name), join(folder, 'cache')];
  const module = new URL('../../src/data/sources/archive_source.ts', import.meta.url).href;
  const context = { role: 'data', labelled: true, size: 8, cacheDir: cache };
  writeFileSync(
    join(folder, 'list.mts'),
    `import { archiveParts } from ${JSON.stringify(module)};
     process.on('SIGXFSZ', () => {});
     const source = { text: '', kind: 'archive', path: ${JSON.stringify(path)} };
     const [part] = await archiveParts(source, ${JSON.stringify(context)});
     await part.list().catch((error) => console.log(error.name + ': ' + error.message));`,
  );
  const words = [
    '-c',
    'ulimit -f 1000; exec "$0" --import tsx "$1"',
    process.execPath,
    join(folder, 'list.mts'),
  ];
  const { stdout } = spawnSync('bash', words, { cwd: root, encoding: 'utf8' });
  expect(stdout).toBe(
    `UserError: The disk is full: "${path}" did not fit unpacked in "${cache}"; free some space or choose another folder with --cache\n`,
  );
  expect(readdirSync(join(cache, 'archives'))).toEqual([]);
});
