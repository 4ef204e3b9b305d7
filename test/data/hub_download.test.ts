/** A whole file comes with the bytes that the hub says, or not at all. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownerTag } from '../../src/base/file_owner.ts';
import { checkSpace } from '../../src/data/hub/disk_space.ts';
import { HubFailure } from '../../src/data/hub/http_failure.ts';
import { retrying, waitOf } from '../../src/data/hub/retry.ts';
import { fileOf, noise, type Opened, openDataset, sha256 } from './hub_opened.ts';
import type { Fault } from './hub_server.ts';
import { outcome, testFolder } from './made.ts';

const SIZE = 300_000;
const bytes = noise(SIZE);

const open = (given: Parameters<typeof openDataset>[0] = {}) =>
  openDataset({ files: { 'data/a b.bin': bytes }, ...given });

/** Fetches the large file; its hash, or why not. */
async function fetchLarge({ dataset }: Opened, onBytes?: (n: number) => void): Promise<string> {
  const file = await fileOf(dataset, 'data/a b.bin');
  const work = dataset.whole(file, onBytes).then((path) => sha256(readFileSync(path)));
  return outcome(work);
}

/** Short where silence is what is tested; else so long that a busy machine is no silence. */
const idleSeconds = ({ kind }: Fault, short = 0.5) => (kind === 'stall' ? short : 10);

/** The folder of the data set in the shared cache. */
const shared = ({ folder }: Opened, ...names: string[]) =>
  join(folder, 'shared', 'datasets--owner--birds', ...names);

test('a file is put where the tools of Hugging Face look for it', async () => {
  const opened = await open();
  const counted: number[] = [];
  expect(await fetchLarge(opened, (n) => counted.push(n))).toBe(sha256(bytes));
  expect(counted.reduce((a, b) => a + b)).toBe(SIZE);
  const { commit } = opened.dataset;
  expect(commit).toBe(opened.hub.commit('owner/birds'));
  expect(readFileSync(shared(opened, 'refs', 'main'), 'utf8')).toBe(commit);
  expect(sha256(readFileSync(shared(opened, 'snapshots', commit, 'data', 'a b.bin')))).toBe(sha256(bytes));
  expect(readdirSync(shared(opened, 'blobs'))).toEqual([sha256(bytes)]);
  const path = await opened.dataset.whole(await fileOf(opened.dataset, 'small.txt'));
  expect(readFileSync(path, 'utf8')).toBe('hello');
  expect(path).toMatch(/blobs\/b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0$/);
});

test.each<[string, Fault, number]>([
  ['a connection that breaks', { on: 'cdn', kind: 'drop', at: 100_000, times: 1 }, 1],
  ['one that breaks after a byte', { on: 'cdn', kind: 'drop', at: 1, times: 2 }, 1],
  ['one that breaks before the first byte', { on: 'cdn', kind: 'drop', at: 0, times: 1 }, 1],
  ['silence in the middle', { on: 'cdn', kind: 'stall', at: 50_000, times: 1 }, 1],
  ['a server that is overloaded', { on: 'resolve', kind: 'status', status: 503, times: 2 }, 1],
  ['a server in trouble', { on: 'cdn', kind: 'status', status: 500, times: 2 }, 1],
  ['an address that aged', { on: 'cdn', kind: 'status', status: 403, times: 1 }, 1],
  ['wrong bytes, once', { on: 'cdn', kind: 'wrong', at: 200_000, times: 1 }, 2],
  ['a body that is too short', { on: 'cdn', kind: 'length', by: -10, times: 1 }, 2],
  ['a body that is too long', { on: 'cdn', kind: 'length', by: 10, times: 1 }, 2],
  ['a body without end', { on: 'cdn', kind: 'endless' }, 1],
  ['a slow line', { on: 'cdn', kind: 'drip', bytes: 60_000, pauseMs: 50 }, 1],
])('%s does no harm', async (_, fault, times) => {
  const opened = await open({ idleSeconds: idleSeconds(fault) });
  opened.hub.faults.push(fault);
  const counted: number[] = [];
  expect(await fetchLarge(opened, (n) => counted.push(n))).toBe(sha256(bytes));
  // What had come was not fetched again, but for what was on its way when the line broke.
  expect(opened.hub.sent['data/a b.bin']).toBeLessThan(SIZE * times + 70_000);
  expect(counted.reduce((a, b) => a + b)).toBe(SIZE);
});

test.each<[string, Fault, RegExp]>([
  [
    'wrong bytes',
    { on: 'cdn', kind: 'wrong', at: 5 },
    /hf:owner\/birds:data\/a b\.bin came with other bytes.*sha256 [0-9a-f]{64} in place of/,
  ],
  [
    'a wrong length',
    { on: 'cdn', kind: 'length', by: -1 },
    /sends 299999 bytes in place of 300000; start again later/,
  ],
  [
    'trouble without end',
    { on: 'cdn', kind: 'status', status: 500 },
    /127\.0\.0\.1:\d+ answers 500; start again later/,
  ],
  ['a circle', { on: 'resolve', kind: 'loop' }, /redirects in a circle/],
  [
    'another protocol',
    { on: 'resolve', kind: 'redirect', to: 'file:///etc/passwd' },
    /redirects to the unsafe address/,
  ],
  ['nowhere', { on: 'resolve', kind: 'redirect', to: 'http://' }, /redirects to nowhere/],
  ['silence', { on: 'cdn', kind: 'stall', at: 10 }, /sent nothing for 0\.05 s/],
])('%s is told, and nothing is left that could be taken for the file', async (_, fault, problem) => {
  const opened = await open({ idleSeconds: idleSeconds(fault, 0.05) });
  opened.hub.faults.push(fault);
  expect(await fetchLarge(opened)).toMatch(problem);
  expect(readdirSync(shared(opened, 'blobs'))).toEqual([]);
});

test('a download that failed is taken up where it ended', async () => {
  const opened = await open();
  opened.hub.faults.push({ on: 'cdn', kind: 'drop', at: 200_000, times: 1 });
  opened.hub.faults.push({ on: 'cdn', kind: 'status', status: 500, times: 5 });
  expect(await fetchLarge(opened)).toMatch(/answers 500/);
  opened.hub.faults.length = 0;
  expect(await fetchLarge(opened)).toBe(sha256(bytes));
  const { headers } = opened.hub.requests.at(-1)!;
  expect(headers.range).toMatch(/^bytes=\d{5,6}-$/);
  expect(opened.hub.sent['data/a b.bin']).toBeLessThan(SIZE + 70_000);
});

test('a server that ignores ranges starts the file over', async () => {
  const opened = await open();
  opened.hub.faults.push({ on: 'cdn', kind: 'drop', at: 200_000, times: 1 });
  opened.hub.faults.push({ on: 'cdn', kind: 'whole' });
  expect(await fetchLarge(opened)).toBe(sha256(bytes));
  expect(opened.hub.sent['data/a b.bin']).toBe(SIZE + 200_000);
});

test('a server that sends another range is not believed', async () => {
  const opened = await open();
  opened.hub.faults.push({ on: 'cdn', kind: 'drop', at: 200_000, times: 1 });
  opened.hub.faults.push({ on: 'cdn', kind: 'elsewhere', by: -3, times: 1 });
  expect(await fetchLarge(opened)).toBe(sha256(bytes));
  // It was refused at once, not taken in and found wrong at the end.
  expect(opened.hub.sent['data/a b.bin']).toBeLessThan(SIZE + 180_000);
});

test('what another run left is used if it is right, and thrown away if not', async () => {
  for (const [left, sent] of [
    [bytes.subarray(0, 250_000), 50_000],
    [Buffer.alloc(250_000), SIZE + 50_000],
    [bytes, 0],
    [Buffer.alloc(SIZE + 1), SIZE],
  ] as const) {
    const opened = await open();
    mkdirSync(shared(opened, 'incomplete'), { recursive: true });
    // A process of this name is long gone: numbers of processes end before it.
    writeFileSync(
      shared(opened, 'incomplete', `${sha256(bytes)}.1-${ownerTag(999_999_999)}.incomplete`),
      left,
    );
    expect(await fetchLarge(opened)).toBe(sha256(bytes));
    expect(opened.hub.sent['data/a b.bin'] ?? 0).toBe(sent);
    expect(readdirSync(shared(opened, 'blobs'))).toHaveLength(1);
    expect(readdirSync(shared(opened, 'incomplete'))).toEqual([]);
  }
});

test('a link that leads elsewhere is made anew', async () => {
  const opened = await open();
  const folder = shared(opened, 'snapshots', opened.dataset.commit, 'data');
  mkdirSync(folder, { recursive: true });
  symlinkSync('nowhere', join(folder, 'a b.bin'));
  expect(await fetchLarge(opened)).toBe(sha256(bytes));
  expect(sha256(readFileSync(join(folder, 'a b.bin')))).toBe(sha256(bytes));
});

test('damage on the disk is found and mended', async () => {
  const opened = await open();
  expect(await fetchLarge(opened)).toBe(sha256(bytes));
  const blob = shared(opened, 'blobs', sha256(bytes));
  const damaged = Buffer.from(bytes);
  damaged[7]! ^= 1;
  writeFileSync(blob, damaged);
  expect(await fetchLarge(opened)).toBe(sha256(bytes));
  expect(opened.notes).toEqual([
    '"hf:owner/birds:data/a b.bin" was damaged on this disk and is fetched again',
  ]);
});

test.each(['small.txt', 'data/a b.bin'])('damage of %s is found when it is read in one go', async (path) => {
  const { dataset, hub } = await open();
  const file = await fileOf(dataset, path);
  const content = sha256(await dataset.bytes(file));
  expect(content).toBe(sha256(path === 'small.txt' ? Buffer.from('hello') : bytes));
  const sent = hub.sent[path]!;
  expect(sha256(await dataset.bytes(file))).toBe(content);
  expect(hub.sent[path]).toBe(sent);
  writeFileSync(dataset.pathOf(file), Buffer.alloc(file.size));
  await expect(dataset.verify(file)).rejects.toThrow(
    /has changed on this disk: its hash is .* remove .* to have it/,
  );
  expect(sha256(await dataset.bytes(file))).toBe(content);
  expect(hub.sent[path]).toBe(2 * sent);
});

test('the token goes to the hub and to no one else', async () => {
  const opened = await open({ token: 'a-mirror-token', private: true, accepted: ['a-mirror-token'] });
  expect(await fetchLarge(opened)).toBe(sha256(bytes));
  const sees = (host: string) =>
    new Set(
      opened.hub.requests.filter((one) => one.host === host).map(({ headers }) => headers.authorization),
    );
  expect(sees('hub')).toEqual(new Set(['Bearer a-mirror-token']));
  expect(sees('cdn')).toEqual(new Set([undefined]));
});

test('what the branch becomes does not matter once the commit is known', async () => {
  const opened = await open();
  const before = opened.dataset.commit;
  opened.hub.publish('owner/birds', { 'data/a b.bin': Buffer.alloc(10) });
  expect(await fetchLarge(opened)).toBe(sha256(bytes));
  expect(opened.dataset.commit).toBe(before);
});

const busy = (headers: Record<string, string>): Fault => ({
  ...{ on: 'resolve', kind: 'status', status: 429, times: 1, headers },
});

test('the hub may ask to wait, but not for ever', async () => {
  const opened = await open();
  opened.hub.faults.push(busy({ 'Retry-After': '0' }), busy({}));
  expect(await fetchLarge(opened)).toBe(sha256(bytes));
  opened.hub.faults.push(busy({ RateLimit: '"resolvers";r=0;t=1800', 'Retry-After': '1' }));
  const other = await open();
  other.hub.faults.push(...opened.hub.faults);
  expect(await fetchLarge(other)).toMatch(
    /asked too often for hf:owner\/birds; wait 31 minutes and start again, .* \(a free account and its HF_TOKEN/,
  );
});

test('a long wait is told, and ends with the work that waits', async () => {
  const controller = new AbortController();
  const failure = new HubFailure('answers 429', { passing: true, host: 'hub', waitSeconds: 200 });
  const notes: string[] = [];
  const onNote = (note: string) => {
    notes.push(note);
    controller.abort(new Error('enough'));
  };
  const work = retrying(() => Promise.reject(failure), { pauseMs: 1, signal: controller.signal, onNote });
  await expect(work).rejects.toThrow('enough');
  expect(notes).toEqual(['hub answers 429; asking again in 200 s']);
});

test.each<[Record<string, string>, number | undefined]>([
  [{ RateLimit: '"resolvers";r=0;t=42', 'Retry-After': '7' }, 43],
  [{ RateLimit: '"resolvers";r=10;t=42', 'Retry-After': '7' }, 7],
  [{ 'Retry-After': 'Thu, 01 Jan 1970 00:01:00 GMT' }, 50],
  [{ 'Retry-After': 'Thu, 01 Jan 1970 00:00:00 GMT' }, 0],
  [{ 'Retry-After': 'soon' }, undefined],
  [{}, undefined],
])('%o asks to wait %s seconds', (headers, seconds) => {
  expect(waitOf(new Headers(headers), 10_000)).toBe(seconds);
});

test('a disk without room is told before anything is fetched', async () => {
  await expect(checkSpace(testFolder(), 1e18, 'hf:owner/birds:a')).rejects.toThrow(
    /^hf:owner\/birds:a needs 1000000000\.0 GB more in .*but only .* are free there; free some space/,
  );
});
