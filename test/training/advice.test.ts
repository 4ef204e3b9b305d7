import { expect, test } from 'vitest';
import { adviceOn, limitOf } from '../../src/training/advice.ts';
import { noTime, type TimeSplit } from '../../src/training/stopwatch.ts';

const facts = { device: 'cpu', precision: 'fp32', streams: false, headOnly: false } as const;
const split = (seconds: Partial<TimeSplit>): TimeSplit => ({ ...noTime(), ...seconds });

test.each([
  ['a device that is always busy', { device: 90, data: 1, host: 4, validation: 5 }, 'device'],
  ['batches that come late', { device: 60, data: 30, host: 5, validation: 5 }, 'data'],
  ['a disk that takes a twentieth', { device: 95, saving: 5 }, 'device'],
  ['a disk that takes little beside validation', { device: 70, saving: 8, validation: 22 }, 'device'],
  ['a slow disk', { device: 80, saving: 15, validation: 5 }, 'saving'],
  ['many images to validate on', { device: 40, validation: 55, host: 5 }, 'validation'],
  ['tiny steps', { device: 50, host: 45, validation: 5 }, 'host'],
  ['one epoch of images never seen', { reading: 60, device: 35, validation: 5 }, 'reading'],
  ['the furthest above its share', { device: 50, data: 15, saving: 20 }, 'saving'],
  ["a pause, which is nobody's fault", { paused: 1000, device: 10 }, 'device'],
  ['nothing yet', {}, 'device'],
] as const)('%s', (_, seconds, limit) => {
  expect(limitOf(split(seconds))).toBe(limit);
});

test('a line says what, how much and what to do', () => {
  expect(adviceOn(split({ device: 60, data: 40 }), { ...facts, streams: true, headOnly: false })).toBe(
    'Waiting for data limits you (40% of the time): the images are decoded again each epoch; a larger --cache-limit keeps them',
  );
  expect(adviceOn(split({ device: 99, data: 1 }), { ...facts, device: 'metal' })).toMatch(/--precision fp16/);
  expect(
    adviceOn(split({ device: 99, data: 1 }), { ...facts, device: 'metal', precision: 'fp16' }),
  ).not.toMatch(/fp16/);
});
