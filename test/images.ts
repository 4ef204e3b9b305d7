/** Pictures that a small network tells apart in an epoch or two, and the commands as processes. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Binary, Field, makeVector, Struct, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import { Compression, Table as ParquetTable, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm';
import sharp from 'sharp';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A new folder below the system's temporary one. */
export function temporaryFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `birbs-${name}-`));
}

/** Birds are warm with a dark spot, the others cool with a light one; every picture has a texture of its own. */
export async function picture(bird: boolean, index: number, side = 24): Promise<Buffer> {
  const shade = 120 + ((index * 37) % 100);
  const base = bird ? [shade, 60, 40] : [40, 90, shade];
  const tiles = textureOf(2 * index + Number(bird), 6 * 6);
  const pixels = Buffer.alloc(side * side * 3);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const tile = tiles[Math.floor((y * 6) / side) * 6 + Math.floor((x * 6) / side)]!;
      for (const [c, value] of base.entries()) pixels[(y * side + x) * 3 + c] = value + tile;
    }
  const [left, top] = [(index * 7) % (side - 6), (index * 11) % (side - 6)];
  const spot = sharp({ create: { width: 6, height: 6, channels: 3, background: bird ? '#210' : '#def' } });
  return sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .composite([{ input: await spot.png().toBuffer(), left, top }])
    .png()
    .toBuffer();
}

/** Numbers from -32 to 31, by a linear congruential generator (Numerical Recipes). */
function textureOf(seed: number, count: number): number[] {
  let state = (seed * 2654435761) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 26) - 32;
  });
}

/** A folder with `bird` and `not-bird` in it. */
export async function pictureFolder(folder: string, birds: number, others: number): Promise<string> {
  for (const [name, count] of [
    ['bird', birds],
    ['not-bird', others],
  ] as const) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < count; i++)
      await sharp(await picture(name === 'bird', i)).toFile(join(folder, name, `${i}.png`));
  }
  return folder;
}

/**
 * A parquet file in the layout of Hugging Face image sets: `image: struct<bytes, path>`, `label` 0 to 2, named cat,
 * bird, frog; every third row a bird.
 */
export async function pictureParquet(path: string, rows: number): Promise<string> {
  const images = await Promise.all(
    Array.from({ length: rows }, async (_, i) => ({
      bytes: new Uint8Array(await picture(i % 3 === 1, i)),
      path: `${i}.png`,
    })),
  );
  const type = new Struct<{ bytes: Binary; path: Utf8 }>([
    new Field('bytes', new Binary(), true),
    new Field('path', new Utf8(), true),
  ]);
  const labels = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 3));
  const table = new Table({ image: vectorFromArray(images, type), label: makeVector(labels) });
  const names = { label: { names: ['cat', 'bird', 'frog'], _type: 'ClassLabel' } };
  const properties = new WriterPropertiesBuilder()
    .setCompression(Compression.SNAPPY)
    .setMaxRowGroupSize(50)
    .setKeyValueMetadata(new Map([['huggingface', JSON.stringify({ info: { features: names } })]]))
    .build();
  writeFileSync(path, writeParquet(ParquetTable.fromIPCStream(tableToIPC(table, 'stream')), properties));
  return path;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs `src/<script>` as its own process. `onOutput` sees all of its stdout so far, and the process. */
export function run(
  script: string,
  args: string[],
  {
    cwd = root,
    onOutput,
  }: { cwd?: string; onOutput?: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void } = {},
): Promise<Ended> {
  const tsx = import.meta.resolve('tsx');
  const child = spawn(process.execPath, ['--import', tsx, join(root, 'src', script), ...args], { cwd });
  const ended: Ended = { code: null, signal: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    ended.stdout += text;
    onOutput?.(ended.stdout, (signal) => child.kill(signal));
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (ended.stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ ...ended, code, signal }));
  });
}
