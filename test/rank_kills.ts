/**
 * Trainings on several ranks of which one is killed, hung or told to stop at a random moment: all ranks must end within
 * ten seconds, the checkpoint must load, and the resumed run must reach the weights of one that was left in peace. The
 * suite runs one (Linux); all of them: `npm run test:ranks`.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newestCheckpoint } from '../src/run/checkpoint.ts';
import { pictureFolder, temporaryFolder } from './images.ts';
import { type Ended, type Launcher, launchers, onRanks, whyNot } from './ranks/mpi.ts';
import { generator } from './run_kills.ts';

export const harms = ['kill', 'hang', 'interrupt', 'stop all'] as const;
export type Harm = (typeof harms)[number];

/** Seconds in which all ranks must have ended: of a training, and of ranks that still wait for each other to start. */
const LONGEST_END = { training: 10, starting: 75 };

export interface RankKills {
  runs: number;
  /** How often each harm was done while the training ran. */
  done: Record<Harm, number>;
  slowestEnd: Record<keyof typeof LONGEST_END, number>;
  begunAnew: number;
  problems: string[];
}

/** Process ids of the ranks that train in a folder, by rank. */
function ranksIn(folder: string): Map<number, number> {
  const found = new Map<number, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (!command.includes(folder) || !command[0]!.includes('node')) continue;
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
      const rank = /(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)/.exec(environment);
      if (rank) found.set(Number(rank[1]), Number(pid));
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

function send(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** `runs` trainings on `processes` ranks, each harmed once. */
export async function killRanks(
  launcher: Launcher,
  {
    runs,
    processes,
    seed,
    kinds = harms,
  }: { runs: number; processes: number; seed: number; kinds?: readonly Harm[] },
  onRun = (_: number) => {},
): Promise<RankKills> {
  const folder = temporaryFolder('rank-kills');
  const random = generator(seed);
  const result: RankKills = {
    ...{ runs, slowestEnd: { training: 0, starting: 0 }, begunAnew: 0, problems: [] },
    done: { kill: 0, hang: 0, interrupt: 0, 'stop all': 0 },
  };
  const hash = (run: string) =>
    createHash('sha256')
      .update(readFileSync(join(run, 'last.safetensors')))
      .digest('hex');
  const harmed = async (words: string[], run: string, harm: Harm, after: number) => {
    let begun = 0;
    let timers: NodeJS.Timeout[] = [];
    let isDone = false;
    let stage: keyof typeof LONGEST_END = 'starting';
    const onStart = (mpirun: number) => {
      const strike = () => {
        const ranks = ranksIn(run);
        if (ranks.size < processes) return;
        isDone = true;
        if (existsSync(join(run, 'state.safetensors'))) stage = 'training';
        begun = performance.now();
        const victim = ranks.get(Math.floor(random() * processes));
        if (harm === 'kill') send(victim, 'SIGKILL');
        if (harm === 'hang') send(victim, 'SIGSTOP');
        if (harm === 'interrupt') send(victim, 'SIGTERM');
        if (harm === 'stop all') send(mpirun, 'SIGINT');
      };
      // What hangs is never let go on; what does not end is ended, and counted.
      timers = [
        setTimeout(strike, after),
        setTimeout(() => {
          for (const pid of ranksIn(run).values()) send(pid, 'SIGKILL');
        }, after + 90_000),
      ];
    };
    const ended = await onRanks(launcher, processes, ['src/train.ts', ...words], { onStart });
    for (const timer of timers) clearTimeout(timer);
    for (const pid of ranksIn(run).values()) send(pid, 'SIGKILL');
    return { ended, isDone, stage, seconds: isDone ? (performance.now() - begun) / 1000 : 0 };
  };
  try {
    const photos = await pictureFolder(join(folder, 'photos'), 40, 40);
    const words = (run: string) => [
      ...['--data', photos, '--cache', join(folder, 'cache'), '--lock', join(folder, 'birbs.lock.json')],
      ...['--image-size', '32', '--batch-size', '8', '--epochs', '6', '--device', 'cpu', '--threads', '1'],
      ...['--network', 'birbs', '--ui', 'none', '--checkpoint-minutes', '0.01', '--run', run],
    ];
    const peaceful = (name: string) =>
      onRanks(launcher, processes, ['src/train.ts', ...words(join(folder, name))]);
    // How long it takes as well.
    const whole = await peaceful('whole');
    if (whole.code !== 0) throw new Error(`the run in peace ended with ${whole.code}: ${whole.stderr}`);
    const expected = hash(join(folder, 'whole'));
    for (let i = 0; i < runs; i++) {
      const run = join(folder, `run-${i}`);
      const harm = kinds[i % kinds.length]!;
      const { isDone, stage, seconds, ended } = await harmed(
        words(run),
        run,
        harm,
        random() * whole.seconds * 1000,
      );
      if (isDone) {
        result.done[harm] += 1;
        result.slowestEnd[stage] = Math.max(result.slowestEnd[stage], seconds);
        if (seconds > LONGEST_END[stage])
          result.problems.push(
            `run-${i} (${harm}, ${stage}) ended after ${seconds.toFixed(1)} s: ${ended.stderr}`,
          );
      }
      await newestCheckpoint(run, (message) => result.problems.push(`run-${i}: ${message}`)).catch((error) =>
        result.problems.push(`run-${i}: ${error.message}`),
      );
      const isResumable = existsSync(join(run, 'run.json'));
      if (!isResumable) result.begunAnew += 1;
      const again: Ended = await onRanks(launcher, processes, [
        'src/train.ts',
        ...(isResumable ? ['--resume', run, '--ui', 'none'] : words(run)),
      ]);
      if (again.code !== 0)
        result.problems.push(`run-${i} (${harm}) resumed ended with ${again.code}: ${again.stderr}`);
      else if (hash(run) !== expected) result.problems.push(`run-${i} (${harm}): other weights`);
      rmSync(run, { recursive: true, force: true });
      onRun(i + 1);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return result;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(whyNot());
  const runs = Number(process.argv[2] ?? 50);
  const seed = Number(process.argv[3] ?? 1);
  for (const launcher of launchers) {
    const result = await killRanks(launcher, { runs, processes: 2, seed }, (done) =>
      process.stderr.write(`\r${launcher.name}: ${done} of ${runs}`),
    );
    process.stdout.write(`\n${JSON.stringify({ launcher: launcher.name, ...result }, undefined, 2)}\n`);
    if (result.problems.length > 0) process.exitCode = 1;
  }
}
