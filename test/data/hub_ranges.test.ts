/** Of a remote file, the ranges that are read are fetched once, and are never other bytes than the hub's. */
import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { HubRepository } from '../../src/data/hub/hub_repository.ts';
import { fileOf, noise, type Opened, openDataset } from './hub_opened.ts';
import type { Fault } from './hub_server.ts';
import { outcome } from './made.ts';

const MB = 2 ** 20;
const SIZE = 5 * MB + 12_345;
const bytes = noise(SIZE);
const PATH = 'data/shard 1.parquet';

const open = (given: Parameters<typeof openDataset>[0] = {}) =>
  openDataset({ files: { [PATH]: bytes }, ...given });

/** Reads the ranges one after the other: whether each is right, or what was said. */
async function read(dataset: HubRepository, ...ranges: [number, number][]): Promise<(boolean | string)[]> {
  const access = await dataset.remote(await fileOf(dataset, PATH));
  const results: (boolean | string)[] = [];
  for (const [begin, end] of ranges) {
    const got = await outcome(access.read(begin, end));
    results.push(typeof got === 'string' ? got : Buffer.compare(got, bytes.subarray(begin, end)) === 0);
  }
  await access.close!();
  return results;
}

const sent = ({ hub }: Opened) => hub.sent[PATH] ?? 0;
const kept = ({ folder }: Opened, ending: string) => {
  const ranges = join(folder, 'own', 'hub', 'ranges');
  return join(ranges, readdirSync(ranges).find((name) => name.endsWith(ending))!);
};

test('each byte is fetched once, whoever asks for it again', async () => {
  const opened = await open();
  const ranges: [number, number][] = [
    [100, 2 * MB],
    [0, 200],
    [MB, 3 * MB],
    [500, 500],
    [1_000_000, 1_000_010],
  ];
  expect(await read(opened.dataset, ...ranges)).toEqual(ranges.map(() => true));
  expect(sent(opened)).toBe(3 * MB);
  expect(await read(await opened.again(), ...ranges, [3 * MB, 3 * MB + 10])).toEqual([
    ...ranges.map(() => true),
    true,
  ]);
  expect(sent(opened)).toBe(3 * MB + 10);
});

test('the last bytes come with the index before them', async () => {
  const opened = await open();
  expect(await read(opened.dataset, [SIZE - 8, SIZE], [SIZE - 60_000, SIZE - 8])).toEqual([true, true]);
  expect(sent(opened)).toBe(65_536);
  expect(await read(opened.dataset, [SIZE - 70_000, SIZE])).toEqual([true]);
  expect(sent(opened)).toBe(70_000);
});

test('reads at the same time share what they have in common', async () => {
  const opened = await open();
  const access = await opened.dataset.remote(await fileOf(opened.dataset, PATH));
  const ranges = [
    [0, MB],
    [0, MB],
    [MB / 2, 2 * MB],
    [10, 20],
  ] as const;
  const all = await Promise.all(ranges.map(([begin, end]) => access.read(begin, end)));
  expect(all.map((got, i) => Buffer.compare(got, bytes.subarray(...ranges[i]!)))).toEqual([0, 0, 0, 0]);
  expect(sent(opened)).toBe(2 * MB);
  await access.close!();
});

test('the hub itself is asked for the address once', async () => {
  const opened = await open();
  await read(opened.dataset, [0, 10], [20, 30], [40, 50]);
  const asked = opened.hub.requests.filter(({ url }) => url.includes('/resolve/'));
  expect(asked).toHaveLength(1);
  expect(opened.hub.requests.filter(({ host }) => host === 'cdn')).toHaveLength(3);
});

test.each<[string, Fault]>([
  ['a connection that breaks', { on: 'cdn', kind: 'drop', at: 1_500_000, times: 1 }],
  ['one that breaks again and again', { on: 'cdn', kind: 'drop', at: 1_100_000, times: 3 }],
  ['silence', { on: 'cdn', kind: 'stall', at: 100, times: 1 }],
  ['a server in trouble', { on: 'cdn', kind: 'status', status: 502, times: 3 }],
  ['an address that aged', { on: 'cdn', kind: 'status', status: 403, after: 1, times: 1 }],
  ['a body that is too short', { on: 'cdn', kind: 'length', by: -5, times: 1 }],
  ['a body that is too long', { on: 'cdn', kind: 'length', by: 5, times: 1 }],
  ['a body without end', { on: 'cdn', kind: 'endless' }],
  ['another range', { on: 'cdn', kind: 'elsewhere', by: 1, times: 1 }],
  [
    'too many requests',
    { on: 'resolve', kind: 'status', status: 429, headers: { 'Retry-After': '0' }, times: 2 },
  ],
])('%s does no harm', async (_, fault) => {
  // Short where silence is tested; else so long that a busy machine is no silence.
  const opened = await open({ idleSeconds: fault.kind === 'stall' ? 0.5 : 10 });
  opened.hub.faults.push(fault);
  expect(await read(opened.dataset, [10, 20], [5, 4 * MB], [0, 5])).toEqual([true, true, true]);
});

test('what had come before a connection broke is not fetched again', async () => {
  const opened = await open();
  opened.hub.faults.push({ on: 'cdn', kind: 'drop', at: 1_500_000, times: 1 });
  expect(await read(opened.dataset, [0, 4 * MB])).toEqual([true]);
  const asked = opened.hub.requests.filter(({ host }) => host === 'cdn').map(({ headers }) => headers.range);
  expect(asked).toHaveLength(2);
  expect(Number(/bytes=(\d+)/.exec(asked[1]!)![1])).toBeGreaterThan(1_000_000);
});

test.each<[string, Fault, RegExp]>([
  [
    'a server that ignores ranges',
    { on: 'cdn', kind: 'whole' },
    /sends all of "hf:owner\/birds:data\/shard 1\.parquet" when it is asked for a part; use another HF_ENDPOINT/,
  ],
  ['a circle', { on: 'resolve', kind: 'loop' }, /redirects in a circle/],
  ['trouble without end', { on: 'cdn', kind: 'status', status: 500 }, /answers 500; start again later/],
  ['wrong lengths without end', { on: 'cdn', kind: 'length', by: 1 }, /sends 11 bytes in place of 10/],
])('%s is told', async (_, fault, problem) => {
  const opened = await open();
  opened.hub.faults.push(fault);
  expect(await read(opened.dataset, [10, 20])).toEqual([expect.stringMatching(problem)]);
});

test('a hub that tells another hash on the way is not believed', async () => {
  const opened = await open();
  const elsewhere = await open({ files: { [PATH]: noise(SIZE, 1) } });
  const to = `${elsewhere.hub.endpoint}/datasets/owner/birds/resolve/main/${PATH}`;
  opened.hub.faults.push({ on: 'resolve', kind: 'redirect', to });
  expect(await read(opened.dataset, [10, 20])).toEqual([
    expect.stringMatching(/has another file .* than it listed/),
  ]);
});

test.each<[string, (opened: Opened) => void]>([
  [
    'a byte that changed',
    (opened) => {
      const content = readFileSync(kept(opened, '.bytes'));
      content[MB + 5]! ^= 1;
      writeFileSync(kept(opened, '.bytes'), content);
    },
  ],
  ['bytes that never reached the disk', (opened) => truncateSync(kept(opened, '.bytes'), MB + 10)],
  [
    'a record cut off in the middle of a line',
    (opened) => {
      const record = readFileSync(kept(opened, '.ranges'), 'utf8');
      writeFileSync(kept(opened, '.ranges'), record.trimEnd().slice(0, -3));
    },
  ],
  [
    'a record of ranges that can not be',
    (opened) =>
      appendFileSync(
        kept(opened, '.ranges'),
        `4194304 4194305 0123456789abcdef\n${SIZE} ${SIZE + 5} 0123456789abcdef\n9 3 0123456789abcdef\nx\n`,
      ),
  ],
])('%s is fetched again, and only that', async (_, damage) => {
  const opened = await open();
  expect(await read(opened.dataset, [0, 3 * MB])).toEqual([true]);
  damage(opened);
  expect(await read(await opened.again(), [0, 3 * MB], [4 * MB, 4 * MB + 100])).toEqual([true, true]);
  expect(sent(opened)).toBeLessThanOrEqual(5 * MB + 100);
  const before = sent(opened);
  expect(await read(await opened.again(), [0, 3 * MB], [4 * MB, 4 * MB + 100])).toEqual([true, true]);
  expect(sent(opened)).toBe(before);
});

test('without a network, what was fetched is read, and what was not is named', async () => {
  const opened = await open();
  expect(await read(opened.dataset, [0, 100])).toEqual([true]);
  const offline = await opened.again({ offline: true });
  expect(await read(offline, [10, 100], [10, 101])).toEqual([
    true,
    expect.stringMatching(
      /A part of "hf:.*shard 1\.parquet" is needed that is not on this disk.*HF_HUB_OFFLINE/,
    ),
  ]);
});

test('ranges outside of the file are refused before anything is asked', async () => {
  const opened = await open();
  const before = opened.hub.requests.length;
  const results = await read(opened.dataset, [-1, 5], [0, SIZE + 1], [7, 6], [0.5, 2], [Number.NaN, 3]);
  expect(results).toEqual(results.map(() => expect.stringMatching(/is damaged: it points to bytes/)));
  expect(opened.hub.requests.length).toBe(before + 1);
});

test('a reading that is given up stops the line, and can be taken up', async () => {
  const opened = await open();
  opened.hub.faults.push({ on: 'cdn', kind: 'drip', bytes: 10_000, pauseMs: 20, times: 1 });
  const access = await opened.dataset.remote(await fileOf(opened.dataset, PATH));
  const controller = new AbortController();
  const work = access.read(0, 3 * MB, controller.signal);
  setTimeout(() => controller.abort(new Error('enough')), 100);
  await expect(work).rejects.toThrow('enough');
  expect(sent(opened)).toBeLessThan(MB);
  expect(Buffer.compare(await access.read(0, 3 * MB), bytes.subarray(0, 3 * MB))).toBe(0);
  await access.close!();
});
