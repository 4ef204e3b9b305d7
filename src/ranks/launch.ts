/** `train --processes N`: finds mpirun, starts the same command on all ranks and follows the first. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { UserError } from '../base/errors.ts';

export interface LaunchOptions {
  /** Default one on each host. */
  processes?: number | undefined;
  /** "a,b": reached by ssh; absent: this machine. */
  hosts?: string | undefined;
}

/** Tells the processes that they read "stop" from here; see {@link startedByUs}. */
const STARTED = 'BIRBS_STARTED';

/** Whether `train --processes` has started this process: its input says when to stop. */
export function startedByUs(env: NodeJS.ProcessEnv = process.env): boolean {
  return env[STARTED] === '1';
}

/** A remark where processes share cores: they gain nothing. */
export function coresAre(processes: number, cores = availableParallelism()): string[] {
  if (processes <= cores) return [];
  return [`${processes} processes share ${cores} cores of this machine: fewer are faster`];
}

/**
 * Starts a command on several ranks and waits for its end.
 * @param program its path and its words, without `--processes` and `--hosts`
 * @param onLine takes what the first rank prints
 * @param signal stops all ranks at the same step; they save what was learnt
 * @returns the exit code of mpirun
 * @throws UserError with exit code 2 where there is no mpirun, or more processes than cores
 */
export async function trainOnRanks(
  program: string[],
  options: LaunchOptions,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const hosts = options.hosts?.split(',').map((host) => host.trim()) ?? [];
  if (hosts.some((host) => !/^[\w.:-]+$/.test(host) || host.startsWith('-')))
    throw new UserError(
      `Expected --hosts as names joined by commas, but found "${options.hosts}"; for example --hosts studio-1,studio-2`,
      2,
    );
  const processes = options.processes ?? hosts.length;
  const cores = availableParallelism();
  if (hosts.length === 0 && processes > cores)
    throw new UserError(
      `Expected --processes of at most ${cores}, the cores of this machine, but found ${processes}; more would only wait for each other, use --hosts to train on several machines`,
      2,
    );
  if (processes < hosts.length)
    throw new UserError(
      `Expected at least one process for each of the ${hosts.length} --hosts, but found --processes ${processes}; leave out --processes or some hosts`,
      2,
    );
  const mpirun = findMpirun();
  const command = [process.execPath, ...process.execArgv, ...program];
  const child = spawn(mpirun.path, [...launcherWords(mpirun, processes, hosts), ...command], {
    // Its own group: a Ctrl-C of the terminal would end all ranks before they can save.
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: launcherEnvironment(),
  });
  return follow(child, onLine, signal);
}

interface Mpirun {
  path: string;
  kind: 'Open MPI' | 'MPICH';
  major: number;
}

const MPIRUNS = ['mpirun', 'mpiexec', 'mpirun.openmpi', 'mpirun.mpich'];
/** Where Homebrew and MacPorts put it, on or off the path. */
const FOLDERS = ['/opt/homebrew/bin', '/usr/local/bin', '/opt/local/bin'];

function findMpirun(): Mpirun {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...FOLDERS].filter(Boolean);
  const tried: string[] = [];
  for (const name of MPIRUNS) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (!isExecutable(path)) continue;
      const text = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 }).stdout ?? '';
      const open = /(?:Open MPI|OpenRTE)\)? v?(\d+)/.exec(text);
      if (open) return { path, kind: 'Open MPI', major: Number(open[1]) };
      const hydra = /HYDRA[\s\S]*?Version:\s*(\d+)/.exec(text);
      if (hydra) return { path, kind: 'MPICH', major: Number(hydra[1]) };
      tried.push(path);
    }
  }
  const how =
    process.platform === 'darwin'
      ? 'install Open MPI with `brew install open-mpi`'
      : 'install Open MPI, on Debian and Ubuntu with `sudo apt-get install openmpi-bin`';
  const found =
    tried.length > 0 ? `${tried.join(' and ')} are neither Open MPI's nor MPICH's` : 'there is none';
  throw new UserError(`Expected mpirun to start several processes, but ${found}; ${how}`, 2);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function launcherWords({ kind, major }: Mpirun, processes: number, hosts: string[]): string[] {
  const each = Math.ceil(processes / Math.max(1, hosts.length));
  if (kind === 'MPICH')
    return [
      ...(hosts.length > 0 ? ['-hosts', hosts.join(','), '-ppn', `${each}`] : []),
      '-n',
      `${processes}`,
    ];
  return [
    // Threads of a process use all its cores; Open MPI would bind it to one.
    ...['--bind-to', 'none', '-x', STARTED, '-n', `${processes}`],
    // Its page of advice after a failure says less than our sentence.
    ...(major < 5 ? ['--quiet'] : []),
    ...(hosts.length > 0 ? ['--host', hosts.map((host) => `${host}:${each}`).join(',')] : []),
  ];
}

function launcherEnvironment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    [STARTED]: '1',
    // Containers run as root, which Open MPI else refuses.
    OMPI_ALLOW_RUN_AS_ROOT: '1',
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  };
}

function follow(child: ChildProcess, onLine: (line: string) => void, signal: AbortSignal): Promise<number> {
  const { stdin, stdout } = child;
  let text = '';
  stdout!.setEncoding('utf8').on('data', (part: string) => {
    const lines = (text + part).split(/\r?\n/);
    text = lines.pop()!;
    for (const line of lines) onLine(line);
  });
  // mpirun may be gone already.
  stdin!.on('error', () => {});
  const stop = () => stdin!.write('stop\n');
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  // A second Ctrl-C ends this process at once: then mpirun is to end as well.
  const end = () => child.kill('SIGTERM');
  process.once('exit', end);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('exit', end);
      signal.removeEventListener('abort', stop);
      if (text) onLine(text);
      resolve(code ?? 1);
    });
  });
}
