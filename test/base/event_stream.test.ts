import { expect, test } from 'vitest';
import { streamEvents } from '../../src/base/event_stream.ts';

const pause = (milliseconds = 1) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
const never = () => false;

test('what is told comes in order, and what is returned at the end', async () => {
  const events = streamEvents<number, string>(async (tell) => {
    for (const i of [1, 2, 3]) {
      tell(i);
      if (i === 2) await pause();
    }
    return 'done';
  }, never);
  const found: (number | string)[] = [];
  for (;;) {
    const { value, done } = await events.next();
    found.push(value);
    if (done) break;
  }
  expect(found).toEqual([1, 2, 3, 'done']);
});

test('leaving the loop aborts the work and waits for its end', async () => {
  let ended = false;
  const events = streamEvents<number, void>(async (tell, signal) => {
    for (let i = 0; !signal.aborted; i++) {
      tell(i);
      await pause();
    }
    await pause(10);
    ended = true;
  }, never);
  for await (const event of events) if (event === 2) break;
  expect(ended).toBe(true);
});

test('a signal of the caller reaches the work; its failure comes through', async () => {
  const controller = new AbortController();
  const events = streamEvents<number, void>(
    async (tell, signal) => {
      tell(1);
      while (!signal.aborted) await pause();
      throw new Error(`told: ${signal.reason}`);
    },
    never,
    controller.signal,
  );
  await events.next();
  controller.abort('enough');
  await expect(events.next()).rejects.toThrow('told: enough');
});

test('to a slow reader only what lasts is told for ever', async () => {
  const events = streamEvents<number, void>(
    async (tell) => {
      for (let i = 0; i < 5000; i++) tell(i);
    },
    (event) => event % 1000 !== 0,
  );
  const found: number[] = [];
  for await (const event of events) found.push(event);
  expect(found).toHaveLength(1004);
  expect(found.slice(-4)).toEqual([1000, 2000, 3000, 4000]);
});
