/**
 * Mutated archives, the same for the same seed: none may crash, hang, or leave a file outside the cache.
 * `npx tsx test/data/archive_fuzz.ts 5000` tries so many; some of them are in the test suite.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { archiveParts } from '../../src/data/sources/archive_source.ts';
import { tarOf, zipOf } from './made_archives.ts';

/** A mutated archive that takes longer hangs. */
const DEADLINE_MS = 20_000;

/** Numbers below `limit`, by mulberry32. */
type Dice = (limit: number) => number;

function dice(seed: number): Dice {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

const fixture = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../fixtures/archives/${name}`, import.meta.url)));

interface Seed {
  name: string;
  bytes: Buffer;
}

async function seeds(): Promise<Seed[]> {
  const entries: [string, string][] = [
    ['bird/a.png', 'robin'.repeat(300)],
    ['bird/sub/ö.jpg', 'wren'],
    ['not-bird/bare', '\x89PNG\r\n\x1a\n'],
    [`not-bird/${'n'.repeat(150)}.png`, 'x'.repeat(1500)],
    ['not-bird/notes.txt', 'text'],
  ];
  const links: [string, object][] = [
    ['bird/link.png', { type: 'symlink', linkname: '../../x' }],
    ['bird/hard.png', { type: 'link', linkname: 'bird/a.png' }],
  ];
  const tar = await tarOf([...entries, ...links]);
  const plain = entries.map(([name, content], i) => ({ name, content, stored: i % 2 === 0 }));
  const fixtures = ['gnu.tar.gz', 'pax.tar.gz', 'v7.tar.gz'].map(fixture);
  return [
    ...[tar, ...fixtures.map((bytes) => gunzipSync(bytes))].map((bytes) => ({ name: 'a.tar', bytes })),
    ...[gzipSync(tar), ...fixtures].map((bytes) => ({ name: 'a.tar.gz', bytes })),
    ...[zipOf(plain), fixture('zip64.zip'), fixture('infozip.zip'), fixture('encrypted.zip')].map(
      (bytes) => ({
        name: 'a.zip',
        bytes,
      }),
    ),
  ];
}

const NUMBERS = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const TEXTS = [
  '../',
  '/',
  '..\\',
  'C:',
  '\0',
  '777777777777',
  '-5 a=\n',
  '9 size=-1\n',
  'PK\x05\x06',
  'PK\x01\x02',
  '\xff\xff\xff\xff\xff\xff\xff\xff',
];

/** One to four changes. Half of the gzips are changed within, and packed again. */
function mutate({ bytes }: Seed, next: Dice): Buffer {
  const isGzip = bytes[0] === 0x1f && next(2) === 0;
  let copy = Buffer.from(isGzip ? gunzipSync(bytes) : bytes);
  for (let changes = 1 + next(4); changes > 0; changes--) copy = change(copy, next);
  if (next(3) > 0) mend(copy);
  return isGzip ? gzipSync(copy) : copy;
}

function change(bytes: Buffer<ArrayBuffer>, next: Dice): Buffer<ArrayBuffer> {
  if (bytes.length < 16) return Buffer.concat([bytes, Buffer.alloc(64, next(256))]);
  // Tar goes in blocks: a change that keeps to them gets further.
  const block = bytes[0] !== 0x50 && next(2) === 0 ? 512 : 1;
  const [at, other] = [placeIn(bytes, next), placeIn(bytes, next)].map(
    (place) => place - (place % block),
  ) as [number, number];
  switch (next(9)) {
    case 0:
      bytes[at]! ^= 1 << next(8);
      return bytes;
    case 1:
      bytes[at] = next(256);
      return bytes;
    case 2:
      bytes.writeUInt32LE(NUMBERS[next(NUMBERS.length)]!, Math.min(at, bytes.length - 4));
      return bytes;
    case 3:
      bytes.writeUInt16LE(NUMBERS[next(6)]! & 0xffff, Math.min(at, bytes.length - 2));
      return bytes;
    case 4:
      bytes.write(TEXTS[next(TEXTS.length)]!, at, 'latin1');
      return bytes;
    case 5:
      return bytes.subarray(0, at);
    case 6:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(other)]);
    case 7:
      return Buffer.concat([
        bytes.subarray(0, at),
        bytes.subarray(other, other + block * (1 + next(1024 / block))),
        bytes.subarray(at),
      ]);
    default:
      return Buffer.concat([bytes, Buffer.from(TEXTS[next(TEXTS.length)]!.repeat(1 + next(200)), 'latin1')]);
  }
}

/** Mostly where the structure is: heads of tar entries, lists of zips. */
function placeIn(bytes: Buffer, next: Dice): number {
  const any = next(bytes.length);
  if (next(3) === 0) return any;
  const sign = ['PK\x03\x04', 'PK\x01\x02', 'PK\x05\x06', 'PK\x06\x06', 'PK\x06\x07'][next(5)]!;
  const found = bytes.indexOf(sign, any, 'latin1');
  const begin = found >= 0 ? found : any - (any % 512);
  return Math.min(bytes.length - 1, begin + next(found >= 0 ? 60 : 512));
}

/** Sets the checksums of tar heads right, so that what was changed in them is believed. */
function mend(bytes: Buffer): void {
  if (bytes.length < 512 || bytes[0] === 0x50 || bytes[0] === 0x1f) return;
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const isHead = bytes.toString('latin1', at + 257, at + 262) === 'ustar' || at === 0;
    if (!isHead) continue;
    bytes.write('        ', at + 148, 'latin1');
    let sum = 0;
    for (let i = at; i < at + 512; i++) sum += bytes[i]!;
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
}

/** What came of the archives: how many were read, and how many of each sentence there were. */
export interface Outcomes {
  read: number;
  refused: Map<string, number>;
  /** What may not happen: other errors, hangs, files elsewhere. */
  faults: string[];
}

export async function fuzz(count: number, seed: number): Promise<Outcomes> {
  const outcomes: Outcomes = { read: 0, refused: new Map(), faults: [] };
  const all = await seeds();
  const folder = mkdtempSync(join(tmpdir(), 'birbs-fuzz-'));
  const onUncaught = (error: Error) => void outcomes.faults.push(`uncaught: ${error.stack}`);
  process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught);
  try {
    for (let i = 0; i < count; i++) {
      const next = dice(seed * 1_000_003 + i);
      const { name, bytes } = all[next(all.length)]!;
      const fault = await tryOne(
        join(folder, 'in', String(i)),
        name,
        mutate({ name, bytes }, next),
        outcomes,
      );
      const around = readdirSync(folder);
      if (fault || around.join() !== 'in')
        outcomes.faults.push(`seed ${seed}, number ${i}: ${fault} ${around}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  } finally {
    process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught);
    rmSync(folder, { recursive: true, force: true });
  }
  return outcomes;
}

/** Lists and reads one archive; returns what was wrong about it. */
async function tryOne(
  folder: string,
  name: string,
  bytes: Buffer,
  outcomes: Outcomes,
): Promise<string | undefined> {
  mkdirSync(folder, { recursive: true });
  const [path, cacheDir] = [join(folder, name), join(folder, 'cache')];
  writeFileSync(path, bytes);
  const source = { text: path, kind: 'archive', path } as const;
  const [part] = await archiveParts(source, { role: 'birds', labelled: false, size: 8, cacheDir });
  const work = async () => {
    const listing = await part!.list();
    for await (const image of part!.read(listing, () => true)) if ('problem' in image) return image.problem;
    return undefined;
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, DEADLINE_MS, 'hangs');
  });
  const fault = await Promise.race([work(), late]).then(
    (problem) => {
      if (problem === undefined) outcomes.read += 1;
      return problem;
    },
    (error: Error) => {
      if (error.name !== 'UserError' || /\n/.test(error.message)) return `${error.stack}`;
      const sentence = error.message
        .replace(/"[^"]*"/g, '"..."')
        .replace(/\d+|0x[0-9a-f]+/g, 'N')
        .slice(0, 90);
      outcomes.refused.set(sentence, (outcomes.refused.get(sentence) ?? 0) + 1);
      return undefined;
    },
  );
  clearTimeout(timer);
  // What hangs can't be closed either.
  if (fault !== 'hangs') await part!.close?.();
  const [beside, archives] = [readdirSync(folder), readdirSync(join(cacheDir, 'archives'))];
  rmSync(folder, { recursive: true, force: true });
  if (beside.sort().join() !== `${name},cache`) return `left ${beside}`;
  if (archives.some((one) => !/^[0-9a-f]{24}-[0-9a-f]{16}$/.test(one))) return `left ${archives}`;
  return fault;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [count = 5000, seed = 1] = argv.slice(2).map(Number);
  const begin = performance.now();
  const { read, refused, faults } = await fuzz(count, seed);
  const sorted = [...refused].sort((a, b) => b[1] - a[1]).map(([sentence, times]) => `${times}  ${sentence}`);
  console.log(sorted.join('\n'));
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(
    `${count} archives in ${seconds} s: ${read} read, ${count - read - faults.length} refused, ${faults.length} faults`,
  );
  console.log(faults.slice(0, 20).join('\n'));
  process.exitCode = faults.length > 0 ? 1 : 0;
}
