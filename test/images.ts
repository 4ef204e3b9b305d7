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

/** Birds are warm with a dark spot, the others cool with a light one; every picture is another. */
export async function picture(bird: boolean, index: number, side = 24): Promise<Buffer> {
  const shade = 120 + ((index * 37) % 100);
  const background = bird ? { r: shade, g: 60, b: 40 } : { r: 40, g: 90, b: shade };
  const spot = sharp({
    create: { width: 6, height: 6, channels: 3, background: bird ? '#210' : '#def' },
  });
  const [left, top] = [(index * 7) % (side - 6), (index * 11) % (side - 6)];
  return sharp({ create: { width: side, height: side, channels: 3, background } })
    .composite([{ input: await spot.png().toBuffer(), left, top }])
    .png()
    .toBuffer();
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
