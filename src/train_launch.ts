/** `train` on several ranks: starting them with mpirun, and stopping when the launcher says so. */
import type { Socket } from 'node:net';
import { trainOnRanks } from './ranks/launch.ts';
import type { Results } from './training/results.ts';
import type { TrainEvent } from './training/train_events.ts';

/** On several ranks that mpirun starts; the first rank emits the events. */
export async function trainElsewhere(
  words: string[],
  options: { processes: number | undefined; hosts: string | undefined },
  onEvent: (event: TrainEvent) => void,
  signal: AbortSignal,
): Promise<number> {
  let status: Results['status'] | undefined;
  const onLine = (line: string) => {
    if (!line.startsWith('{')) return;
    const event = JSON.parse(line) as TrainEvent;
    if (event.type === 'end') status = event.results.status;
    onEvent(event);
  };
  // This program and, where there is one, its subcommand.
  const program = process.argv.slice(1, process.argv.length - words.length);
  const command = [...program, ...withoutRanks(words)];
  const code = await trainOnRanks(command, options, onLine, signal);
  if (status !== undefined) return status === 'interrupted' ? 130 : 0;
  // Killed ranks end with 128 and the signal.
  return signal.aborted ? 130 : code === 2 ? 2 : 1;
}

/** The words for each rank, whose events are read from its output. */
function withoutRanks(words: string[]): string[] {
  const isTaken = (word: string) => /^--(processes|hosts|ui)(=|$)/.test(word);
  const kept = words.filter(
    (word, i) => !isTaken(word) && !(i > 0 && isTaken(words[i - 1]!) && !words[i - 1]!.includes('=')),
  );
  return [...kept, '--ui', 'json'];
}

/** What started this rank says on its input when to stop; so does its end. */
export function stopWithLauncher(): void {
  let isStopping = false;
  const stop = () => {
    // The second interrupt would end it at once.
    if (!isStopping) interrupt();
    isStopping = true;
  };
  process.stdin.on('data', stop).on('end', stop);
  // Not a reason to stay alive.
  (process.stdin as Partial<Socket>).unref?.();
}

/** As Ctrl-C does. */
export function interrupt(): void {
  process.kill(process.pid, 'SIGINT');
}
