/** The live view in a terminal that is none: keys in, screens out. */
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { LiveView } from '../../src/ui/live_view.ts';
import { data, device, end, epoch, past, reading, start, step } from './events.ts';
import { fakeTerminal } from './terminal.ts';

let Live: typeof LiveView;
const open: LiveView[] = [];
beforeAll(async () => {
  process.env.TZ = 'UTC';
  vi.spyOn(Date, 'now').mockReturnValue(Date.UTC(2026, 1, 3, 3, 12));
  ({ LiveView: Live } = await import('../../src/ui/live_view.ts'));
});

function begin(columns = 80, rows = 24) {
  const fake = fakeTerminal(columns, rows);
  const controller = new AbortController();
  const interrupt = vi.fn(() => controller.abort());
  const options = { predict: 'npx predict', signal: controller.signal, interrupt };
  const view = new Live(fake.terminal, options);
  open.push(view);
  /** Types, and waits until it was seen. */
  const type = async (keys: string) => {
    await pause();
    fake.stdin.write(keys);
    await pause();
  };
  const resize = (width: number, height: number) => {
    Object.assign(fake.stdout, { columns: width, rows: height });
    fake.stdout.emit('resize');
  };
  const tell = (...events: Parameters<LiveView['onEvent']>[0][]) => {
    for (const event of events) view.onEvent(event);
  };
  return { ...fake, view, type, resize, tell, interrupt, controller };
}

/** What is written arrives in a later turn of the event loop. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 1));

/** Two epochs of four and a bit. */
function trained(columns?: number, rows?: number, classes?: string[]) {
  const fake = begin(columns, rows);
  fake.tell(device, data(classes), start);
  for (let n = 1; n <= 130; n++) {
    fake.tell(step(n));
    if (n % 50 === 0)
      fake.tell(epoch(n / 50, classes?.length), { type: 'checkpoint', epoch: n / 50, step: n });
  }
  return fake;
}

afterEach(async () => {
  for (const view of open.splice(0)) {
    // What waits for a key has had its test.
    await Promise.race([view.close(), pause()]);
  }
});

const TEN = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const states = {
  reading: (fake: ReturnType<typeof begin>) => fake.tell(device, reading),
  start: (fake: ReturnType<typeof begin>) => fake.tell(device, data(), start),
};

describe('how it looks', () => {
  test.each(Object.keys(states))('%s, 80 x 24', async (name) => {
    const fake = begin();
    states[name as keyof typeof states](fake);
    await fake.type('z');
    expect(fake.screen.text).toMatchSnapshot();
  });

  test.each([
    ['training', 80, 24, 'z'],
    ['training', 120, 40, 'z'],
    ['training', 60, 16, 'z'],
    ['training', 40, 8, 'z'],
    ['paused', 80, 24, 'p'],
    ['classes', 80, 24, 'v'],
    ['time', 80, 24, 'vv'],
    ['messages', 80, 24, 'vvv'],
    ['help', 80, 24, '?'],
    ['stopping', 80, 24, 'q'],
  ])('%s, %i x %i', async (_, columns, rows, keys) => {
    const fake = trained(columns, rows);
    await fake.type(keys);
    expect(fake.screen.text).toMatchSnapshot();
  });

  test.each([
    ['curves', 120, 40, 'z'],
    ['lowest recalls', 60, 16, 'z'],
    ['classes', 80, 24, 'v'],
    ['classes', 60, 16, 'v'],
  ])('ten classes, %s, %i x %i', async (_, columns, rows, keys) => {
    const fake = trained(columns, rows, TEN);
    await fake.type(keys);
    expect(fake.screen.text).toMatchSnapshot();
  });

  test.each([
    [80, 24],
    [120, 40],
  ])('gone on with, %i x %i', async (columns, rows) => {
    const fake = begin(columns, rows);
    fake.tell(device, data(), { ...start, resumed: { step: 100, epoch: 2 } }, past);
    for (let n = 101; n <= 130; n++) fake.tell(step(n));
    await fake.type('z');
    expect(fake.screen.text).toMatchSnapshot();
  });

  test('the end', async () => {
    const fake = trained();
    fake.tell(end());
    expect(fake.screen.text).toMatchSnapshot();
    await fake.type('x');
  });

  test('no line is wider than the terminal, no screen higher, whatever its size', async () => {
    const fake = trained(80, 24, TEN);
    for (const [columns, rows] of [
      [60, 16],
      [61, 19],
      [80, 24],
      [133, 50],
      [200, 60],
      [20, 5],
      [1, 1],
      [80, 24],
    ]) {
      fake.resize(columns!, rows!);
      for (const view of ['v', 'v', 'v', 'v', '?', '?']) {
        await fake.type(view);
        expect(fake.screen.lines.length).toBeLessThanOrEqual(rows!);
        expect(Math.max(...Array.from(fake.screen.lines, (line = '') => line.length))).toBeLessThanOrEqual(
          columns!,
        );
      }
    }
  });

  test('smaller and back is as it was', async () => {
    const fake = trained();
    await fake.type('z');
    const before = fake.screen.text;
    fake.resize(30, 5);
    expect(fake.screen.text).not.toBe(before);
    fake.resize(80, 24);
    expect(fake.screen.text).toBe(before);
  });
});

describe('keys', () => {
  test('p holds the training, and p lets it go on', async () => {
    const fake = trained();
    expect(fake.view.paused()).toBeUndefined();
    await fake.type('p');
    const held = fake.view.paused()!;
    expect(held).toBeInstanceOf(Promise);
    await fake.type('P');
    await held;
    expect(fake.view.paused()).toBeUndefined();
  });

  test.each(['q', '\x03'])('%j interrupts, also what is held', async (key) => {
    const fake = trained();
    await fake.type('p');
    const held = fake.view.paused()!;
    await fake.type(key);
    expect(fake.interrupt).toHaveBeenCalledTimes(1);
    await held;
    await fake.type(key);
    expect(fake.interrupt).toHaveBeenCalledTimes(2);
  });

  test('what is typed fast comes at once', async () => {
    const fake = trained();
    await fake.type('vvp');
    expect(fake.screen.text).toContain('Where the time went');
    expect(fake.view.paused()).toBeDefined();
  });

  test('after the end views can be looked at, and any other key leaves', async () => {
    const fake = trained();
    fake.tell(end());
    const closed = vi.fn();
    const closing = fake.view.close().then(closed);
    await fake.type('v');
    expect(fake.screen.text).toContain('taken for');
    expect(closed).not.toHaveBeenCalled();
    await fake.type('x');
    await closing;
  });
});

describe('giving the screen back', () => {
  const isBack = ({ screen, isRaw }: ReturnType<typeof begin>) =>
    expect([screen.isOwn, screen.hasCursor, isRaw.at(-1)]).toEqual([false, true, false]);

  test('it has one of its own, and no cursor', async () => {
    const fake = begin();
    await pause();
    expect([fake.screen.isOwn, fake.screen.hasCursor, fake.isRaw]).toEqual([true, false, [true]]);
  });

  test('after a key: the summary stays, without the epochs', async () => {
    const fake = trained();
    fake.tell(end());
    const closing = fake.view.close();
    await fake.type('x');
    await closing;
    isBack(fake);
    const after = fake.written.join('').split('\x1b[?1049l')[1]!;
    expect(after).toContain('Training on cpu (oneDNN 3.1)');
    expect(after).toContain('Best epoch: 4.');
    expect(after).toContain('npx predict --model runs/night photo.jpg\n');
    expect(after).not.toContain('Epoch ');
  });

  test('after an error, at once', async () => {
    const fake = trained();
    await fake.view.close();
    isBack(fake);
  });

  test('after an interrupt, at once, even while it waits for a key', async () => {
    const fake = trained();
    fake.tell(end());
    const closing = fake.view.close();
    fake.controller.abort();
    await closing;
    isBack(fake);
  });

  test('a terminal that is closed interrupts', async () => {
    const fake = trained();
    process.emit('SIGHUP');
    expect(fake.interrupt).toHaveBeenCalledTimes(1);
    const other = trained();
    other.stdin.emit('error', new Error('EIO'));
    other.stdin.emit('end');
    expect(other.interrupt).toHaveBeenCalledTimes(1);
  });

  test('what others write to the error output becomes a message, and follows', async () => {
    const fake = trained();
    fake.stderr.write('(node) a warning\x1b[31m\n');
    expect(fake.errors).toEqual([]);
    await fake.type('z');
    expect(fake.screen.text).toContain('(node) a warning\ufffd[31m');
    await fake.view.close();
    expect(fake.errors).toEqual(['(node) a warning\x1b[31m\n']);
  });

  test('a view that fails gives the screen back, tells it, and goes on in lines', async () => {
    const fake = begin();
    fake.tell(device, start, step(1), epoch(1));
    // An epoch without classes can't be drawn.
    await fake.type('z');
    await vi.waitFor(() => isBack(fake));
    expect(fake.screen.text).toContain('The live view failed (TypeError');
    const before = fake.written.length;
    fake.tell(epoch(2));
    expect(fake.written.slice(before).join('')).toMatch(/^Epoch 2\/4 .*\n$/);
    fake.tell(end());
    await fake.view.close();
  });
});
