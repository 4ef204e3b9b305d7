/**
 * Processes that end themselves while the addon works, in every way that JavaScript has: each must end with its own exit
 * code, by no signal and soon. The suite runs a seeded dozen; all of them: `node --import tsx test/run_exits.ts 200`.
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pictureFolder, temporaryFolder } from './images.ts';
import { exitCodes } from './run_exits_child.ts';
import { generator } from './run_kills.ts';

const child = fileURLToPath(new URL('run_exits_child.ts', import.meta.url));
/** The exit is at a random moment of so many milliseconds. */
const MOMENTS = 400;
/** What an exit may take: one operation of the child, on a machine that is busy. */
const MOST_SECONDS = 10;

export interface Exited {
  exits: number;
  /** The longest from the exit to the end of the process, in milliseconds. */
  slowest: number;
  /** What went wrong: empty where all is well. */
  problems: string[];
}

/** The child prints the time at which it ends itself. */
function runChild(words: string[]): Promise<{ code: number | null; signal: string | null; ms: number }> {
  return new Promise((resolve, reject) => {
    const process_ = spawn(process.execPath, ['--import', 'tsx', child, ...words]);
    let [stdout, stderr] = ['', ''];
    process_.stdout.on('data', (part) => (stdout += part));
    process_.stderr.on('data', (part) => (stderr += part));
    process_.on('error', reject);
    process_.on('close', (code, signal) => {
      if (code === null || stdout === '') process.stderr.write(stderr);
      resolve({ code, signal, ms: Date.now() - Number(/\d{13}/.exec(stdout)) });
    });
  });
}

/** The campaign: `exits` processes, the ways taken in turn, two at a time. */
export async function endProcesses(exits: number, seed: number, onExit = (_: number) => {}): Promise<Exited> {
  const folder = temporaryFolder('exits');
  const random = generator(seed);
  const result: Exited = { exits: 0, slowest: 0, problems: [] };
  const ways = Object.keys(exitCodes) as (keyof typeof exitCodes)[];
  try {
    await pictureFolder(join(folder, 'photos'), 12, 12);
    const cases = Array.from({ length: exits }, (_, i) => ({
      way: ways[i % ways.length]!,
      moment: Math.floor(random() * MOMENTS),
    }));
    const work = async () => {
      for (let next = cases.pop(); next; next = cases.pop()) {
        const { way, moment } = next;
        const { code, signal, ms } = await runChild([way, String(moment), folder]);
        const what = `${way} after ${moment} ms`;
        if (code !== exitCodes[way]) result.problems.push(`${what}: ended with ${signal ?? code}`);
        else if (ms > MOST_SECONDS * 1000) result.problems.push(`${what}: took ${ms} ms`);
        result.slowest = Math.max(result.slowest, ms);
        result.exits += 1;
        onExit(result.exits);
      }
    };
    await Promise.all([work(), work()]);
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [exits = 200, seed = 1] = process.argv.slice(2).map(Number);
  const result = await endProcesses(exits, seed, (done) => process.stderr.write(`\r${done}/${exits}`));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exitCode = result.problems.length > 0 ? 1 : 0;
}
