/** What the live view costs a training, beside one that shows nothing. */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { train } from '../src/train.ts';
import type { TrainEvent } from '../src/training/train_events.ts';
import { openLiveView } from '../src/ui/open_live_view.ts';
import type { Terminal } from '../src/ui/terminal_fits.ts';
import { median, rounded } from './timer.ts';

const ROUNDS = 2;
/** One core is left to JavaScript, as by a GPU: else a drawing's wall time is mostly waiting for the device's threads. */
const THREADS = Math.max(1, availableParallelism() - 1);
/** Percent of the time that it may take. */
const AIM = 0.5;
const [COLUMNS, ROWS] = [120, 40];

/** Seconds of one training, validations included, and what the view took of them. */
interface Spent {
  steps: number;
  seconds: number;
  drawing: number;
  events: number;
  /** That the thread of JavaScript computed; undefined where the system does not tell. */
  thread: number | undefined;
}

/** Rounds in turns after one that warms up, of four epochs of the demo, the first to warm up; medians of shares of the time. */
export async function* dashboard(): AsyncGenerator<object> {
  const folder = await mkdtemp(join(tmpdir(), 'birbs-dashboard-'));
  // Where nobody looks it would not be shown.
  Object.assign(process.env, { TERM: 'xterm', CI: '' });
  const [shown, silent]: [Spent[], Spent[]] = [[], []];
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      const [first, second] = [await trainOnce(folder, true), await trainOnce(folder, false)];
      if (round === 0) continue;
      shown.push(first);
      silent.push(second);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  const middle = (all: Spent[], value: (spent: Spent) => number) => median(all.map(value));
  const step = middle(silent, ({ seconds, steps }) => seconds / steps);
  const size = `${COLUMNS} x ${ROWS}, steps of ${rounded(1000 * step)} ms`;
  yield aim(
    `drawing, ${size}`,
    middle(shown, ({ drawing, seconds }) => (100 * drawing) / seconds),
  );
  yield aim(
    `taking events in, ${size}`,
    middle(shown, ({ events, seconds }) => (100 * events) / seconds),
  );
  const all = `CPU time of JavaScript with it less that without, ${size}`;
  if (shown[0]!.thread === undefined) {
    yield {
      bench: 'dashboard',
      case: all,
      rivalName: 'without',
      missing: 'this system has no /proc/self/schedstat',
    };
    return;
  }
  const thread = (spent: Spent) => spent.thread! / spent.steps;
  yield aim(all, (100 * (middle(shown, thread) - middle(silent, thread))) / step);
}

function aim(what: string, ours: number) {
  const line = { bench: 'dashboard', case: what, unit: '% of the time', ours: rounded(ours), rival: AIM };
  return { ...line, rivalName: 'aim: at most', ratio: rounded(ours / AIM) };
}

async function trainOnce(folder: string, isShown: boolean): Promise<Spent> {
  const controller = new AbortController();
  const { signal } = controller;
  const options = { predict: 'predict', signal, interrupt: () => controller.abort() };
  const view = isShown ? openLiveView(sink(), options) : undefined;
  const spent: Spent = { steps: 0, seconds: 0, drawing: 0, events: 0, thread: undefined };
  let begun: { at: number; thread: number | undefined; drawing: number } | undefined;
  const onEvent = (event: TrainEvent) => {
    const begin = performance.now();
    view?.onEvent(event);
    // The first epoch warms up: drawing and training are compiled in it.
    if (event.type === 'epoch')
      begun ??= { at: begin, thread: threadSeconds(), drawing: view?.pace.spent ?? 0 };
    if (event.type !== 'step' || !begun) return;
    spent.steps += 1;
    spent.seconds = (performance.now() - begun.at) / 1000;
    spent.events += (performance.now() - begin) / 1000;
    const now = threadSeconds();
    spent.thread = now === undefined ? undefined : now - begun.thread!;
    spent.drawing = ((view?.pace.spent ?? 0) - begun.drawing) / 1000;
  };
  const run = join(folder, isShown ? 'shown' : 'silent');
  const training = { balance: 'none', epochs: 4, device: 'cpu', threads: THREADS, run } as const;
  await train({ ...training, data: ['demo'], lock: join(folder, 'lock.json') }, { onEvent });
  await rm(run, { recursive: true });
  // Nobody presses a key.
  controller.abort();
  await view?.close();
  return spent;
}

/** CPU seconds of the first thread of the process, that of JavaScript. */
function threadSeconds(): number | undefined {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return undefined;
  }
}

/** A terminal that nobody looks at. */
function sink(): Terminal {
  const size = { columns: COLUMNS, rows: ROWS, isTTY: true };
  const stdout = Object.assign(new EventEmitter(), { ...size, write: () => true });
  const stderr = { isTTY: true, write: () => true };
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode() {}, ref() {}, unref() {} });
  return { stdout, stderr, stdin } as unknown as Terminal;
}
