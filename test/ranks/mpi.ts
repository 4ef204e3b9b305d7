/** Starts test programs on several ranks, where MPI is installed. */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Launcher {
  name: 'Open MPI' | 'MPICH';
  command: string;
  words: string[];
}

/** The launchers of this machine; Debian has both beside each other. */
export const launchers: Launcher[] = findLaunchers();

/** Says aloud what is not tested here. */
export function whyNot(): string {
  const missing = (['Open MPI', 'MPICH'] as const).filter(
    (name) => !launchers.some((launcher) => launcher.name === name),
  );
  if (missing.length === 0) return '';
  return `SKIPPED: nothing is tested with ${missing.join(' and ')}, which is not installed (apt-get install openmpi-bin mpich)\n`;
}

function findLaunchers(): Launcher[] {
  const found: Launcher[] = [];
  for (const command of ['mpirun.openmpi', 'mpirun.mpich', 'mpirun']) {
    const text = spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout ?? '';
    const name = /Open MPI|OpenRTE/.test(text) ? 'Open MPI' : /HYDRA/.test(text) ? 'MPICH' : undefined;
    if (!name || found.some((other) => other.name === name)) continue;
    const words = name === 'Open MPI' ? ['--oversubscribe', '--bind-to', 'none', '--quiet'] : [];
    found.push({ name, command, words });
  }
  return found;
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  seconds: number;
}

/** Runs a TypeScript file of this project on `processes` ranks. */
export function onRanks(
  launcher: Launcher,
  processes: number,
  [file, ...words]: [string, ...string[]],
  { env = {}, onStart }: { env?: NodeJS.ProcessEnv; onStart?: (pid: number) => void } = {},
): Promise<Ended> {
  const program = [process.execPath, '--import', 'tsx', `${root}${file}`, ...words];
  return run(launcher.command, [...launcher.words, '-n', `${processes}`, ...program], { env, onStart });
}

/** Runs a TypeScript file of this project alone. */
export function alone([file, ...words]: [string, ...string[]], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return run(process.execPath, ['--import', 'tsx', `${root}${file}`, ...words], { env });
}

function run(
  command: string,
  words: string[],
  { env, onStart }: { env: NodeJS.ProcessEnv; onStart?: ((pid: number) => void) | undefined },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const child = spawn(command, words, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ...{ OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', HWLOC_HIDE_ERRORS: '2' },
        // Containers forbid the direct copy between processes, of which Open MPI then complains.
        OMPI_MCA_btl_vader_single_copy_mechanism: 'none',
        ...env,
      },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (part) => {
      stdout += part;
    });
    child.stderr.on('data', (part) => {
      stderr += part;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, stdout, stderr, seconds: (performance.now() - begin) / 1000 }),
    );
    if (child.pid !== undefined) onStart?.(child.pid);
  });
}
