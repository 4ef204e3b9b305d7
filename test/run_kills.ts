/**
 * Trainings killed with SIGKILL at random moments and gone on with: each must end with the weights of one that was
 * left in peace. The suite runs a seeded dozen; all of them: `node --import tsx test/run_kills.ts 200`.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newestCheckpoint } from '../src/run/checkpoint.ts';
import { pictureFolder, temporaryFolder } from './images.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** A run may be killed so often before it is left in peace. */
const MOST_KILLS = 3;

export interface Killed {
  runs: number;
  kills: number;
  /** Runs that were killed before there was anything to go on with, and begun anew. */
  begunAnew: number;
  /** Checkpoints that were damaged and had another behind them. */
  remarks: number;
  /** What went wrong: empty where all is well. */
  problems: string[];
}

/** Starts the command; kills it after some milliseconds, unless that is undefined. */
function start(
  words: string[],
  killAfter?: number,
): Promise<{ code: number | null; stderr: string; ms: number }> {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src/train.ts'), ...words], {
      cwd: root,
    });
    let stderr = '';
    child.stdout.resume();
    child.stderr.on('data', (part) => {
      stderr += part;
    });
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stderr, ms: performance.now() - begin });
    });
  });
}

/** Numbers from 0 to 1 (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The campaign: `runs` trainings, each killed one to three times, two at a time. */
export async function killRuns(runs: number, seed: number, onRun = (_: number) => {}): Promise<Killed> {
  const folder = temporaryFolder('kills');
  const random = generator(seed);
  const result: Killed = { runs, kills: 0, begunAnew: 0, remarks: 0, problems: [] };
  const hash = (run: string, name: string) =>
    createHash('sha256')
      .update(readFileSync(join(run, name)))
      .digest('hex');
  try {
    const photos = await pictureFolder(join(folder, 'photos'), 30, 90);
    const words = (run: string) => [
      ...['--data', photos, '--cache', join(folder, 'cache'), '--lock', join(folder, 'birbs.lock.json')],
      ...['--image-size', '32', '--batch-size', '8', '--epochs', '5', '--device', 'cpu', '--threads', '1'],
      ...['--ui', 'none', '--checkpoint-minutes', '0.01', '--run', run],
    ];
    const whole = join(folder, 'whole');
    await start(words(whole));
    // Again, with all in the cache: how long it takes.
    rmSync(whole, { recursive: true });
    const { ms, code, stderr } = await start(words(whole));
    if (code !== 0) throw new Error(`the run in peace ended with ${code}: ${stderr}`);
    const killRun = async (name: string, moments: number[]) => {
      const run = join(folder, name);
      for (const [kill, moment] of moments.entries()) {
        const resumable = existsSync(join(run, 'run.json'));
        if (kill > 0 && !resumable) result.begunAnew += 1;
        const ended = await start(resumable ? ['--resume', run, '--ui', 'none'] : words(run), moment * ms);
        if (ended.code === null) result.kills += 1;
        if (existsSync(join(run, 'state.safetensors')))
          await newestCheckpoint(run, () => (result.remarks += 1)).catch((error) =>
            result.problems.push(`${name}: ${error.message}`),
          );
      }
      const resumable = existsSync(join(run, 'run.json'));
      const last = await start(resumable ? ['--resume', run, '--ui', 'none'] : words(run));
      if (last.code !== 0) result.problems.push(`${name} ended with ${last.code}: ${last.stderr}`);
      else
        for (const file of ['last.safetensors', 'best.safetensors'])
          if (hash(run, file) !== hash(whole, file)) result.problems.push(`${name}: another ${file}`);
      const left = readdirSync(run).filter((file) => file.endsWith('.tmp'));
      if (left.length > 0) result.problems.push(`${name}: left behind ${left.join(', ')}`);
      rmSync(run, { recursive: true, force: true });
    };
    const plans = Array.from({ length: runs }, (_, i) => ({
      name: `run-${i}`,
      moments: Array.from({ length: 1 + Math.floor(random() * MOST_KILLS) }, random),
    }));
    let done = 0;
    const work = async () => {
      for (let plan = plans.pop(); plan; plan = plans.pop()) {
        await killRun(plan.name, plan.moments);
        onRun(++done);
      }
    };
    await Promise.all([work(), work()]);
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [runs = 200, seed = 1] = process.argv.slice(2).map(Number);
  const result = await killRuns(runs, seed, (done) => process.stderr.write(`\r${done}/${runs}`));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exitCode = result.problems.length > 0 ? 1 : 0;
}
