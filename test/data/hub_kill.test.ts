/** Killed at any moment, or two at once: the next run takes up what is there, and ends with the right bytes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { HubRepository } from '../../src/data/hub/hub_repository.ts';
import { fileOf, noise, sha256 } from './hub_opened.ts';
import { type Hub, type HubRequest, startHub } from './hub_server.ts';
import { testFolder } from './made.ts';

const files = {
  'whole/a': noise(900_000, 1),
  'whole/b': noise(1_300_000, 2),
  'whole/empty': new Uint8Array(0),
  ranges: noise(2_500_000, 3),
};
const right = Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, sha256(bytes)]));

const slowHub = async (pauseMs = 1) => {
  const hub = await startHub({ 'owner/birds': { files } });
  hub.faults.push({ on: 'cdn', kind: 'drip', bytes: 20_000, pauseMs });
  return hub;
};

const sent = ({ sent }: Hub) => Object.values(sent).reduce((a, b) => a + b, 0);

interface Run {
  child: ChildProcess;
  /** What it printed, and how it ended. */
  end: Promise<{ text: string; signal: string | null; errors: string }>;
}

function start(hub: Hub, folder: string): Run {
  const script = fileURLToPath(new URL('./hub_child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, hub.endpoint, folder]);
  let [text, errors] = ['', ''];
  child.stdout!.on('data', (chunk) => (text += chunk));
  child.stderr!.on('data', (chunk) => (errors += chunk));
  const end = new Promise<Awaited<Run['end']>>((resolve) =>
    child.on('close', (_, signal) => resolve({ text, signal, errors })),
  );
  return { child, end };
}

/** Kills the process once the hub has sent so many bytes. */
function killAt(hub: Hub, { child }: Run, bytes: number): void {
  const timer = setInterval(() => {
    if (sent(hub) >= bytes) child.kill('SIGKILL');
  }, 1);
  child.on('close', () => clearInterval(timer));
}

/** The first byte that was asked for. */
const beginOf = ({ headers }: HubRequest) => Number(/^bytes=(\d+)/.exec(headers.range ?? '')?.[1] ?? 0);

/** A file that has its name has its bytes. */
function expectNoWrongBlob(folder: string): void {
  const blobs = join(folder, 'shared', 'datasets--owner--birds', 'blobs');
  for (const name of existsSync(blobs) ? readdirSync(blobs) : []) {
    expect(sha256(readFileSync(join(blobs, name)))).toBe(name);
  }
}

test('a dozen kills, and the same bytes', async () => {
  const [hub, folder] = [await slowHub(), testFolder()];
  const random = seeded(42);
  let kills = 0;
  for (; kills < 12; kills++) {
    const run = start(hub, folder);
    killAt(hub, run, sent(hub) + 1 + random() * 600_000);
    const { signal, errors } = await run.end;
    if (signal === null) expect(errors).toBe('');
    if (signal === null) break;
    expectNoWrongBlob(folder);
  }
  const { text, errors } = await start(hub, folder).end;
  expect(errors).toBe('');
  expect(JSON.parse(text)).toEqual(right);
  expect(kills).toBeGreaterThan(5);
  for (const path of ['whole/a', 'whole/b']) {
    const begins = hub.requests.filter((one) => one.host === 'cdn' && one.path === path).map(beginOf);
    expect(begins).toEqual(begins.toSorted((a, b) => a - b));
    expect(begins.at(-1)).toBeGreaterThan(0);
  }
  expectNoWrongBlob(folder);
});

test('two at once, one of them killed', async () => {
  const [hub, folder] = [await slowHub(), testFolder()];
  const runs = [start(hub, folder), start(hub, folder)];
  killAt(hub, runs[1]!, 800_000);
  const [whole] = await Promise.all(runs.map(({ end }) => end));
  expect(whole!.errors).toBe('');
  expect(JSON.parse(whole!.text)).toEqual(right);
  expectNoWrongBlob(folder);
});

test.each([false, true])(
  'who fetches a file is waited for; and taken over from if killed: %s',
  async (kills) => {
    const [hub, folder] = [await slowHub(5), testFolder()];
    const run = start(hub, folder);
    while ((hub.sent['whole/b'] ?? 0) < 100_000) await new Promise((resolve) => setTimeout(resolve, 1));
    const settings = { endpoint: hub.endpoint, cacheDir: `${folder}/shared`, offline: false };
    const dataset = await HubRepository.open(
      { settings: { ...settings, idleSeconds: 10, pauseMs: 1 } },
      { type: 'dataset', name: 'owner/birds', revision: 'main' },
      `${folder}/own`,
    );
    const fetching = dataset.whole(await fileOf(dataset, 'whole/b'));
    if (kills) killAt(hub, run, 1_800_000);
    expect(sha256(readFileSync(await fetching))).toBe(right['whole/b']);
    expect((await run.end).signal).toBe(kills ? 'SIGKILL' : null);
    const begins = hub.requests.filter((one) => one.host === 'cdn' && one.path === 'whole/b').map(beginOf);
    expect(begins).toEqual(kills ? [0, expect.any(Number)] : [0]);
    if (kills) expect(begins[1]).toBeGreaterThan(0);
  },
);

/** Numbers from 0 to 1, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
