/**
 * A process with the live view in a terminal that is none, for what can't be tried in the tests' own: it trains nothing.
 * Its first word says how it ends: throw, reject, exit, wait (for a signal) or steps.
 */
import { runCommand } from '../../src/base/command.ts';
import { openLiveView } from '../../src/ui/open_live_view.ts';
import { data, device, epoch, start, step } from './events.ts';
import { fakeTerminal } from './terminal.ts';

const { terminal, stdin, stdout, written } = fakeTerminal();
const way = process.argv[2]!;
const kept = stdout.write;
// What a person would see, without the drawings.
if (way !== 'steps') {
  stdout.write = (text) => {
    process.stdout.write(text.includes('\x1b[?2026h') ? '' : text);
    return kept(text);
  };
}

const soon = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));
/** The loader of TypeScript takes its own of "exit" away when it has nothing to do, and connects once; pipes are our own three. */
const listenersAndHandles = () => [
  ...process.getActiveResourcesInfo().filter((name) => !/Immediate|PipeWrap|ConnectWrap/.test(name)),
  ...[process, stdin, stdout].flatMap((one) =>
    one
      .eventNames()
      .flatMap((name) => (name === 'exit' ? [] : [`${String(name)} ${one.listenerCount(name)}`])),
  ),
];

async function main(_: string[], signal: AbortSignal): Promise<number> {
  const before = listenersAndHandles();
  Object.assign(process.env, { TERM: 'xterm', CI: '' });
  const interrupt = () => process.kill(process.pid, 'SIGINT');
  const view = await openLiveView(terminal, { predict: 'npx predict', signal, interrupt });
  for (const event of [device, data(), start]) view.onEvent(event);
  if (way === 'throw') setTimeout(() => nothing());
  if (way === 'reject') void Promise.reject(new Error('nobody caught this'));
  if (way === 'exit') process.exit(3);
  if (way === 'wait') {
    process.stdout.write('ready');
    while (!signal.aborted) await soon(10);
  }
  if (way !== 'steps') await soon(50);
  const heaps = way === 'steps' ? await takeSteps(view) : [];
  await view.close();
  await soon(50);
  const told = { heaps, drawings: view.pace.drawings, before, after: listenersAndHandles() };
  process.stdout.write(`\n${JSON.stringify(told)}\n`);
  return 130;
}

function nothing(): never {
  throw new Error('nobody caught this');
}

type View = Awaited<ReturnType<typeof openLiveView>>;

/** Three times 1,000 steps, drawn every fourth, after so many that all is full; the heap before, between and after. */
async function takeSteps(view: View): Promise<number[]> {
  for (let n = 1; n <= 4000; n++) view.onEvent(step(n));
  await drawSteps(view, 4001, 4400);
  const heaps = [await heap()];
  for (const first of [4401, 5401, 6401]) {
    await drawSteps(view, first, first + 999);
    heaps.push(await heap());
  }
  return heaps;
}

async function drawSteps(view: View, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) {
    view.onEvent(step(n));
    if (n % 50 === 0) view.onEvent(epoch(n / 50));
    if (n % 4 === 0) stdin.write(n % 40 === 0 ? 'v' : 'z');
    await soon();
  }
}

async function heap(): Promise<number> {
  await soon(50);
  written.length = 0;
  global.gc!();
  return process.memoryUsage().heapUsed;
}

void runCommand(main);
