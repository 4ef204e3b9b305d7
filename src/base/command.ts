/** How a command of ours starts and ends: interrupts, broken pipes, errors, exit codes. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isBundled } from '../setup/addon_place.mjs';
import { UserError } from './errors.ts';
import { checkAddressSpace, memoryProblem } from './memory_limit.ts';
import { printable } from './words.ts';

/** Whether the module at `url` is what Node was told to run. */
export function isMain(url: string): boolean {
  const script = process.argv[1];
  if (!script || isBundled) return false; // in a bundle every module has the URL of the whole
  try {
    return realpathSync(script) === realpathSync(fileURLToPath(url));
  } catch {
    return false;
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Milliseconds in which a second signal is an echo of the first. */
const ECHO = 300;

/**
 * Runs a command to its exit code. The first Ctrl-C aborts the signal and lets the command end in its own way, the
 * second ends at once. A reader of the output that went away (`| head`) is an interrupt too, and no error.
 */
export async function runCommand(
  command: (words: string[], signal: AbortSignal) => Promise<number>,
): Promise<void> {
  const controller = new AbortController();
  let first = 0;
  const interrupt = () => {
    // npm and tsx pass on a Ctrl-C that the terminal has sent to all of us: that is still one.
    if (controller.signal.aborted && performance.now() - first > ECHO) process.exit(130);
    first ||= performance.now();
    controller.abort();
  };
  // SIGHUP: the terminal was closed, or the connection to it.
  for (const signal of SIGNALS) process.on(signal, interrupt);
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // A terminal that was closed is gone in its own way.
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

/** A mistake of the user is a sentence; anything else is a mistake of ours, and its stack helps. */
function describe(error: unknown): string {
  if (error instanceof UserError) return `Error: ${error.message.split('\n').map(printable).join('\n')}`;
  const memory = memoryProblem(error);
  if (memory) return `Error: ${printable(memory)}`;
  return `This should not have happened: ${error instanceof Error ? error.stack : String(error)}`;
}
