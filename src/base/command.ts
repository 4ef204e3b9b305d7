/** Start and end of a command: signals, broken pipes, errors, exit codes. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isBundled } from '../setup/addon_place.mjs';
import { UserError } from './errors.ts';
import { checkAddressSpace, memoryProblem } from './memory_limit.ts';
import { printable } from './words.ts';

/** Whether the module at `url` is the script that Node.js runs. */
export function isMain(url: string): boolean {
  const script = process.argv[1];
  if (!script || isBundled) return false; // in a bundle every module has the URL of the bundle
  try {
    return realpathSync(script) === realpathSync(fileURLToPath(url));
  } catch {
    return false;
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A second signal within this time (ms) counts as the same Ctrl-C. */
const ECHO = 300;

/**
 * Runs a command and sets the exit code. The first Ctrl-C aborts the signal, so that the command can end cleanly; the
 * second exits at once. A closed output (`| head`) counts as an interrupt, not as an error.
 */
export async function runCommand(
  command: (words: string[], signal: AbortSignal) => Promise<number>,
): Promise<void> {
  const controller = new AbortController();
  let first = 0;
  const interrupt = () => {
    // npm and tsx forward a Ctrl-C that the terminal has already sent to all processes of the group.
    if (controller.signal.aborted && performance.now() - first > ECHO) process.exit(130);
    first ||= performance.now();
    controller.abort();
  };
  // SIGHUP: the terminal or its connection was closed.
  for (const signal of SIGNALS) process.on(signal, interrupt);
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // EIO: the terminal was closed.
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
      controller.abort();
    });
  }
  try {
    checkAddressSpace();
    process.exitCode = await command(process.argv.slice(2), controller.signal);
  } catch (error) {
    process.exitCode = exitCodeOf(error, controller.signal);
    console.error(process.exitCode === 130 ? 'Interrupted.' : describe(error));
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

function exitCodeOf(error: unknown, signal: AbortSignal): number {
  if (signal.aborted && (error as Error)?.name === 'AbortError') return 130;
  return error instanceof UserError ? error.exitCode : 1;
}

/** A user's mistake is shown as one sentence. Anything else is a bug, so its stack is shown. */
function describe(error: unknown): string {
  if (error instanceof UserError) return `Error: ${error.message.split('\n').map(printable).join('\n')}`;
  const memory = memoryProblem(error);
  if (memory) return `Error: ${printable(memory)}`;
  return `Internal error, please report it: ${error instanceof Error ? error.stack : String(error)}`;
}
