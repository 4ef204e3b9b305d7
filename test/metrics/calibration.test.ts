import { describe, expect, test } from 'vitest';
import {
  answer,
  calibrate,
  parseCalibration,
  probabilitiesOf,
  scaled,
} from '../../src/metrics/calibration.ts';
import { softmax } from '../../src/metrics/metrics.ts';
import { cases } from './cases.ts';

describe("calibration agrees with scipy's minimizer, torchmetrics and a try of every threshold", () => {
  test.each(cases)(
    '$classes classes, $labels.length images',
    async ({ logits, labels, classes, calibration }) => {
      const ours = await calibrate(logits, labels, classes);
      expect(ours.temperature / calibration.temperature).toBeCloseTo(1, 5);
      const { before, after } = ours.expectedCalibrationError;
      // torchmetrics counts in float32.
      expect(before).toBeCloseTo(calibration.expectedCalibrationError.before, 5);
      expect(after).toBeCloseTo(calibration.expectedCalibrationError.after, 5);
      if (classes === 2) expect(ours.balancedAccuracy.after).toBeCloseTo(calibration.balancedAccuracy!, 12);
      else expect(ours.threshold).toBeUndefined();
      expect(ours.images).toBe(labels.length);
      for (const bins of [ours.reliability.before, ours.reliability.after]) {
        expect(bins).toHaveLength(15);
        expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(labels.length);
      }
    },
  );
});

/** Logits of two classes of which class 0 has this probability. */
const logitsOf = (shares: number[]) =>
  Float32Array.from(shares.flatMap((share) => [Math.log(share / (1 - share)), 0]));

test('many classes: the event loop goes on all the while', async () => {
  const [count, classes] = [10_000, 200];
  const logits = Float32Array.from({ length: count * classes }, (_, i) => ((i * 7919) % 101) / 25);
  let turns = 0;
  let on = true;
  const turn = () => {
    turns += 1;
    if (on) setImmediate(turn);
  };
  setImmediate(turn);
  await probabilitiesOf(logits, classes, 2);
  on = false;
  expect(turns).toBeGreaterThan(0);
  expect(await probabilitiesOf(logits, classes, 2)).toEqual(softmax(scaled(logits, 2), classes));
});

describe('threshold', () => {
  test('0.5 wherever it is among the best, else the middle of the gap nearest to it, in odds', async () => {
    const apart = await calibrate(logitsOf([0.9, 0.8, 0.3, 0.2]), Int32Array.of(0, 0, 1, 1), 2);
    expect(apart.threshold).toBe(0.5);
    const low = await calibrate(logitsOf([0.4, 0.3, 0.1, 0.1]), Int32Array.of(0, 0, 1, 1), 2);
    const odds = (low.threshold! / (1 - low.threshold!)) ** low.temperature;
    expect(odds).toBeCloseTo(Math.sqrt((0.3 / 0.7) * (0.1 / 0.9)), 5);
    expect(low.balancedAccuracy).toEqual({ before: 0.5, after: 1 });
  });

  test('one class alone, or scores all equal, say nothing: 0.5', async () => {
    const one = await calibrate(logitsOf([0.9, 0.2]), Int32Array.of(0, 0), 2);
    const equal = await calibrate(new Float32Array(8), Int32Array.of(0, 1, 1, 1), 2);
    expect([one.threshold, equal.threshold, equal.temperature]).toEqual([0.5, 0.5, 1]);
  });

  test('the answer changes at the threshold, where it is least certain', () => {
    const at = (share: number) => answer(Float64Array.of(9, 9, share, 1 - share), 2, 1, { threshold: 0.2 });
    expect([at(0.1999).label, at(0.2).label]).toEqual([1, 0]);
    expect(at(0.2).certainty).toBeCloseTo(0.5, 12);
    expect(at(0.5).certainty).toBeCloseTo(0.8, 12);
    expect(at(0).certainty).toBe(1);
    expect(answer(Float64Array.of(0.2, 0.5, 0.3), 3, 0, {})).toEqual({ label: 1, certainty: 0.5 });
  });
});

describe('unsure', () => {
  test('so many are answered that 95% of the answers are right', async () => {
    // Less and less sure, for class 0 and class 1 in turn; from the 61st on every second pair is wrong.
    const sure = Array.from({ length: 100 }, (_, i) => 0.99 - i * 0.003);
    const right = sure.map((_, i) => i < 60 || (i >> 1) % 2 === 1);
    const shares = sure.map((share, i) => (i % 2 ? share : 1 - share));
    const labels = Int32Array.from(sure, (_, i) => ((i % 2 === 0) === right[i] ? 1 : 0));
    const { answered, answeredRight, unsureBelow } = await calibrate(logitsOf(shares), labels, 2);
    // 62 of 65 are more than 95%, 62 of 66 are less.
    expect([0.64, 0.65]).toContain(answered);
    expect(answeredRight).toBeCloseTo(62 / (100 * answered), 12);
    expect(unsureBelow).toBeGreaterThan(0.6);
  });

  test('near a coin, all is unsure', async () => {
    const shares = Array.from({ length: 60 }, (_, i) => (i % 2 ? 0.45 : 0.55));
    const labels = Int32Array.from(shares, (_, i) => (i % 3 === 0 ? 0 : 1));
    const { unsureBelow, answered } = await calibrate(logitsOf(shares), labels, 2);
    expect([unsureBelow, answered]).toEqual([1, 0]);
  });
});

describe('what a weights file says of it', () => {
  const good = { temperature: 1.5, threshold: 0.4, unsureBelow: 0.7 };
  const read = (value: unknown, classes = 2) =>
    parseCalibration({ calibration: JSON.stringify(value) }, classes, 'w.safetensors');

  test('is taken', () => {
    expect(read({ ...good, images: 7 })).toEqual(good);
    expect(read({ temperature: 1, unsureBelow: 1 }, 3)).toMatchObject({ temperature: 1 });
    expect(parseCalibration({}, 2, 'w')).toBeUndefined();
  });

  test.each([
    [null],
    [3],
    [{}],
    [{ ...good, temperature: 0 }],
    [{ ...good, temperature: '1' }],
    [{ ...good, threshold: 1.1 }],
    [{ ...good, unsureBelow: null }],
    [{ ...good, temperature: 1e300 }],
  ])('%j is refused', (value) => {
    expect(() => read(value)).toThrow(/calibration in w\.safetensors.*--no-calibration/);
    expect(() => parseCalibration({ calibration: '{' }, 2, 'w')).toThrow(/calibration in w/);
    expect(() => read(good, 3)).toThrow(/3 classes/);
  });
});
