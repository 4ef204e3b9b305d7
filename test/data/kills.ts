/**
 * Kills at random steps of each stage from the hub to the pixel cache, each time taken up again: the same images, the
 * same pixels, nothing left behind. `npx tsx test/data/kills.ts 200 [seed]` is the campaign; some are among the tests.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { openHub } from './hub_server.ts';
import type { Death } from './kill_child.ts';
import { parquet } from './made.ts';
import { tarGzOf } from './made_archives.ts';

const SIZE = 96;
/** Of each source. */
const IMAGES = 60;
/** So that a segment is sealed every few images, and the archive gives way when its images are decoded. */
const CACHE_GB = 0.006;

/** Kills of one run, one after the other. */
const MOST = 6;

/** Each gets as many kills as the others; "seal" is whatever gives a file of the pixel cache its name. */
export const STAGES = ['resolve', 'list', 'download', 'unpack', 'verify', 'decode', 'seal'];

/** Half of the kills come this long after their step at most, in the middle of whatever is going on then. */
const LATER_MS = 8;

export interface KillReport {
  /** Processes that were killed, by the stage they were at. */
  kills: Record<string, number>;
  /** Runs that were let end, each after up to `MOST` kills. */
  ended: number;
  /** What was wrong; empty when all is well. */
  problems: string[];
}

/** Kills `count` processes; the same seed draws the same steps. */
export async function kill(count: number, seed: number): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), 'birbs-kills-'));
  const { hub, sources } = await makeSources(folder);
  const report: KillReport = { kills: {}, ended: 0, problems: [] };
  try {
    const right = await clean(join(folder, 'right'), sources, hub.endpoint);
    const random = seeded(seed);
    let killed = 0;
    for (let round = 0; killed < count; round++) {
      const run = join(folder, `run-${round}`);
      for (let more = 1 + Math.floor(random() * MOST); more > 0 && killed < count; more--) {
        const death = draw(report.kills, right.steps, random);
        const ended = await start(run, sources, hub.endpoint, death);
        // What was done before is not done again: it did not get there.
        if (!ended.killed) break;
        killed += 1;
        report.kills[ended.stage] = (report.kills[ended.stage] ?? 0) + 1;
      }
      const found = await clean(run, sources, hub.endpoint);
      report.ended += 1;
      const wrong = found.result === right.result ? [] : [`expected ${right.result}, found ${found.result}`];
      for (const problem of [...wrong, ...checkFiles(run, right.files)]) {
        report.problems.push(`round ${round}: ${problem}`);
      }
      rmSync(run, { recursive: true, force: true });
    }
  } finally {
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return report;
}

/** A step of the stage that has fewest kills so far. */
function draw(kills: Record<string, number>, steps: Record<string, number>, random: () => number): Death {
  const missing = STAGES.filter((stage) => !steps[stage]);
  if (missing.length > 0) throw new Error(`no steps at ${missing}`);
  const fewest = Math.min(...STAGES.map((stage) => kills[stage] ?? 0));
  const stages = STAGES.filter((stage) => (kills[stage] ?? 0) === fewest);
  const stage = stages[Math.floor(random() * stages.length)]!;
  const later = random() < 0.5;
  const step = Math.floor(random() * steps[stage]!);
  return { stage, step, milliseconds: later ? random() * LATER_MS : 0 };
}

/** Parquet on a hub that takes its time, an archive, a folder: each image another. */
async function makeSources(folder: string) {
  const images = await Promise.all(Array.from({ length: 3 * IMAGES }, (_, i) => photo(i)));
  const labels = images.map((_, i) => (i % 3 ? 'a' : 'b'));
  const shard = (begin: number, end: number) =>
    parquet({ images: images.slice(begin, end), labels: labels.slice(begin, end), rowsAGroup: 10 });
  const half = IMAGES / 2;
  const files = { 'data/0.parquet': shard(0, half), 'data/1.parquet': shard(half, IMAGES) };
  const hub = await openHub({ 'owner/birds': { files } });
  hub.faults.push({ on: 'cdn', kind: 'drip', bytes: 40_000, pauseMs: 2 });
  const entries = images
    .slice(IMAGES, 2 * IMAGES)
    .map((image, i) => [`${labels[i]}/${i}.jpg`, image] as [string, Buffer]);
  const archive = join(folder, 'set.tar.gz');
  writeFileSync(archive, await tarGzOf(entries));
  for (const [i, image] of images.slice(2 * IMAGES).entries()) {
    const path = join(folder, 'photos', labels[i]!, `${i}.jpg`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, image);
  }
  return { hub, sources: ['hf:owner/birds', archive, join(folder, 'photos')] };
}

/** Noise of its own, so that neither the archive nor the JPEG gets small. */
function photo(number: number): Promise<Buffer> {
  const side = 160;
  const raw = Buffer.alloc(side * side * 3);
  for (let begin = 0; begin < raw.length; begin += 32) {
    createHash('sha256').update(`${number} ${begin}`).digest().copy(raw, begin);
  }
  return sharp(raw, { raw: { width: side, height: side, channels: 3 } })
    .jpeg()
    .toBuffer();
}

/** A run to its end: what it found, what it left on disk, how many steps it had at each stage. */
async function clean(folder: string, sources: string[], endpoint: string) {
  const { killed, said, errors } = await start(folder, sources, endpoint);
  if (killed || errors !== '') throw new Error(`a run that nobody killed ended with: ${errors}`);
  const { steps } = JSON.parse(said.at(-2)!) as { steps: Record<string, number> };
  return { result: said.at(-1)!, files: filesOf(folder), steps };
}

/** What is on disk: nothing unfinished, and whatever a run that nobody killed leaves. */
function checkFiles(folder: string, expected: Set<string>): string[] {
  const names = filesOf(folder);
  const unfinished = [...names].filter((name) => /(^|\/)\.|\.(tmp|incomplete|partial|held)(\/|$)/.test(name));
  const missing = [...expected].filter((name) => !names.has(name));
  return [...unfinished.map((name) => `${name} is left`), ...missing.map((name) => `${name} is missing`)];
}

/** The names of all files, those of the pixel cache without what differs from run to run. */
function filesOf(folder: string): Set<string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name));
  return new Set(
    paths.map((path) =>
      path
        .slice(folder.length + 1)
        .replace(/[^/]+-[0-9a-f]{8}-[0-9a-f]{8}-\d+-[0-9a-f]{8}\.(json|pixels)$/, '*.$1'),
    ),
  );
}

interface Ended {
  killed: boolean;
  stage: string;
  /** The lines it said. */
  said: string[];
  errors: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const script = fileURLToPath(new URL('./kill_child.ts', import.meta.url));

/** A run; with a death that it dies when it gets there. */
function start(folder: string, sources: string[], endpoint: string, death?: Death): Promise<Ended> {
  const given = {
    ...{ data: sources, birds: [], notBirds: [], validation: [], imageSize: SIZE, fit: 'cover' },
    ...{ cacheDir: join(folder, 'cache'), cacheLimit: CACHE_GB, lock: join(folder, 'birbs.lock.json') },
  };
  const env = { ...process.env, HF_ENDPOINT: endpoint, HF_HUB_CACHE: join(folder, 'hub') };
  const words = [given, ...(death ? [death] : [])].map((word) => JSON.stringify(word));
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...words], { cwd: root, env });
  let [said, errors] = ['', ''];
  child.stderr.on('data', (chunk) => (errors += chunk));
  child.stdout.on('data', (chunk) => (said += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_, signal) => {
      const lines = said.trimEnd().split('\n');
      const stages = lines.flatMap((line) =>
        line.startsWith('{"stage"') ? [JSON.parse(line).stage as string] : [],
      );
      resolve({ killed: signal === 'SIGKILL', stage: stages.at(-1) ?? 'start', said: lines, errors });
    });
  });
}

/** Numbers in [0, 1), the same for a seed. */
function seeded(seed: number): () => number {
  let count = 0;
  return () => createHash('sha256').update(`${seed} ${count++}`).digest().readUInt32LE() / 2 ** 32;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const report = await kill(Number(process.argv[2] ?? 200), Number(process.argv[3] ?? 1));
  console.log(JSON.stringify(report, null, 2));
  process.exitCode = report.problems.length > 0 ? 1 : 0;
}
