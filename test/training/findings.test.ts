/** Which images a validation picks out. */
import { describe, expect, test } from 'vitest';
import { calibrate } from '../../src/metrics/calibration.ts';
import { LossHistory } from '../../src/metrics/image_losses.ts';
import { choosePictures, examine } from '../../src/training/findings.ts';

function historyOf(labels: Int32Array, validation: number[] = [], classes = 2): LossHistory {
  return new LossHistory({ labels, classes, validation: Uint32Array.from(validation), balanced: true });
}

test('a validation shows calibration, pictures, suspects of all images', async () => {
  // The second image is called class 0 however often it is looked at.
  const logits = Float32Array.of(2, 0, 3, 0, 0, 1.5, 0, 0.1);
  const labels = Int32Array.of(0, 1, 1, 0);
  const history = historyOf(new Int32Array(20), [4, 9, 12, 19]);
  // The last one is of training.
  for (let i = 0; i < 3; i++) history.add(Uint32Array.of(4, 9, 12, 2), [0.1, 3, 0.2, 5]);
  const positions = Uint32Array.of(4, 9, 12, 19);
  const found = await examine(
    { type: 'evaluated', epoch: 3, step: 30, positions, logits, labels, isBest: true, history },
    2,
  );
  expect(found).toMatchObject({ type: 'findings', epoch: 3, step: 30, isBest: true });
  expect(found.calibration).toEqual(await calibrate(logits, labels, 2));
  expect(found.ranking).toEqual({
    ...{ classIndex: 0, positives: 2, negatives: 2 },
    ...{ found: [0, 0, 1, 2, 2], falsely: [0, 1, 1, 1, 2] },
  });
  expect(found.mistakes[0]).toMatchObject({ position: 9, truth: 1, guess: 0 });
  expect(found.suspects.map(({ position }) => position)).toEqual([9, 2]);
});

test('of more than two classes the curve is of the one that is found least', async () => {
  const logits = Float32Array.of(2, 0, 0, 0, 2, 0, 0, 2, 0, 0, 2, 0);
  const labels = Int32Array.of(0, 1, 2, 2);
  const event = { epoch: 1, step: 1, positions: Uint32Array.of(0, 1, 2, 3), isBest: true, logits, labels };
  const found = await examine({ type: 'evaluated', ...event, history: historyOf(labels, [0], 3) }, 3);
  expect(found.ranking).toMatchObject({ classIndex: 2, positives: 2, negatives: 2 });
});

describe('pictures', () => {
  // Logit of class 0 over class 1.
  const logits = Float32Array.from([3, -2, 0.1, -0.2, 5, -4].flatMap((logit) => [logit, 0]));
  const labels = Int32Array.of(1, 1, 0, 0, 0, 0);
  const positions = Uint32Array.of(10, 11, 12, 13, 14, 15);
  const rows = (chosen: { position: number }[]) => chosen.map(({ position }) => position - 10);

  test('mistakes by certainty, doubts by the lack of it', async () => {
    const { mistakes, unsure } = await choosePictures({ positions, logits, labels }, 2, {
      temperature: 1,
      threshold: 0.5,
    });
    expect(rows(mistakes)).toEqual([5, 0, 3]);
    expect(mistakes[0]).toMatchObject({
      truth: 0,
      guess: 1,
      certainty: expect.closeTo(1 / (1 + Math.exp(-4)), 9),
    });
    expect(rows(unsure).slice(0, 3)).toEqual([2, 3, 1]);
  });

  test('answers are those of the threshold and the temperature', async () => {
    const threshold = 1 / (1 + Math.exp(-0.1));
    const { mistakes, unsure } = await choosePictures({ positions, logits, labels }, 2, {
      temperature: 2,
      threshold,
    });
    // At half the logit, the third image falls below the threshold and the second toss-up moves away from it.
    expect(rows(mistakes)).toContain(2);
    expect(rows(unsure)[0]).toBe(2);
  });

  test('never more than a page shows', async () => {
    const many = await choosePictures(
      {
        positions: new Uint32Array(1000),
        logits: new Float32Array(2000),
        labels: new Int32Array(1000).fill(1),
      },
      2,
      { temperature: 1 },
    );
    expect([many.mistakes.length, many.unsure.length]).toEqual([24, 24]);
  });
});

/** Adds to each image its losses. */
function addAll(history: LossHistory, losses: number[][]): LossHistory {
  for (const [position, all] of losses.entries())
    for (const loss of all) history.add(Uint32Array.of(position), [loss]);
  return history;
}

describe('suspects', () => {
  const positions = async (history: LossHistory, most = 9) =>
    (await history.suspects(most)).map(({ position }) => position);
  const losses = [
    [0.1, 0.1, 0.1],
    [2, 2, 2],
    [9, 9],
    [3, 3, 4],
    [9, 9, 0.2],
    [0.1, 0.1, 0.1, 1],
    [9, Number.NaN, 9, 9],
  ];

  test('looked at often enough, never believed, the worst first', async () => {
    const history = addAll(historyOf(new Int32Array(8)), losses);
    expect(await positions(history)).toEqual([6, 3, 1]);
    expect((await history.suspects(9))[1]).toEqual({
      ...{ position: 3, meanLoss: expect.closeTo(10 / 3, 5), lastLoss: 4, times: 3 },
    });
    expect(await positions(history, 1)).toEqual([6]);
    // Of ten classes a guess is worse.
    expect(await positions(addAll(historyOf(new Int32Array(8), [], 10), losses))).toEqual([6, 3]);
  });

  test('of two doubted alike that of the rarer class, if training was balanced', async () => {
    const labels = Int32Array.of(0, 0, 0, 0, 0, 0, 1, 1);
    const doubts = [[2.5, 2.5, 2.5], [], [], [], [], [], [2, 2, 2], [1.3, 1.3, 1.3]];
    // The shares are 3 to 1: a loss more by log 3.
    expect(await positions(addAll(historyOf(labels), doubts))).toEqual([6, 0, 7]);
    const unbalanced = { labels, classes: 2, validation: new Uint32Array(0), balanced: false };
    expect(await positions(addAll(new LossHistory(unbalanced), doubts))).toEqual([0, 6, 7]);
  });

  test('of training and validation, each ranked among its own', async () => {
    // Of eight learnt images two are doubted, of four others three, and more.
    const learnt = [[1, 1, 1], [0.9, 0.9, 0.9], ...Array(6).fill([0.1, 0.1, 0.1])];
    const others = [
      [5, 5, 5],
      [6, 6, 6],
      [4, 4, 4],
      [0.1, 0.1, 0.1],
    ];
    const history = addAll(historyOf(new Int32Array(12), [8, 9, 10, 11]), [...learnt, ...others]);
    expect(await positions(history)).toEqual([0, 9, 1, 8, 10]);
  });
});
