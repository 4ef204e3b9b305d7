import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { choosePictures, chooseSuspects } from '../../src/report/selection.ts';
import { thumbnails } from '../../src/report/thumbnails.ts';

describe('pictures', () => {
  // Logit of class 0 over class 1.
  const logits = Float32Array.from([3, -2, 0.1, -0.2, 5, -4].flatMap((logit) => [logit, 0]));
  const labels = Int32Array.of(1, 1, 0, 0, 0, 0);
  const rows = (chosen: { row: number }[]) => chosen.map(({ row }) => row);

  test('mistakes by certainty, doubts by the lack of it', () => {
    const { mistakes, unsure } = choosePictures(logits, labels, 2, { temperature: 1, threshold: 0.5 });
    expect(rows(mistakes)).toEqual([5, 0, 3]);
    expect(mistakes[0]).toMatchObject({
      truth: 0,
      guess: 1,
      certainty: expect.closeTo(1 / (1 + Math.exp(-4)), 9),
    });
    expect(rows(unsure).slice(0, 3)).toEqual([2, 3, 1]);
  });

  test('answers are those of the threshold and the temperature', () => {
    const threshold = 1 / (1 + Math.exp(-0.1));
    const { mistakes, unsure } = choosePictures(logits, labels, 2, { temperature: 2, threshold });
    // At half the logit, the third image falls below the threshold and the second toss-up moves away from it.
    expect(rows(mistakes)).toContain(2);
    expect(rows(unsure)[0]).toBe(2);
  });

  test('never more than a page shows', () => {
    const many = choosePictures(new Float32Array(2000), new Int32Array(1000).fill(1), 2, { temperature: 1 });
    expect([many.mistakes.length, many.unsure.length]).toEqual([24, 24]);
  });
});

test('suspects: seen often enough, never believed, the worst first', () => {
  const seen = (meanLoss: number, lastLoss = meanLoss, times = 9) => ({ meanLoss, lastLoss, times });
  const history = [seen(0.1), seen(2), seen(5, 6, 2), seen(3), seen(3, 0.2), seen(0.6, 4)];
  expect(chooseSuspects(history, 2)).toEqual([3, 1]);
  expect(chooseSuspects(history, 10)).toEqual([3]);
});

test('thumbnails are the pixels, small', async () => {
  const asked: number[] = [];
  const source = {
    ...{ height: 200, width: 200 },
    async assemble(positions: Uint32Array, output: Uint8Array) {
      asked.push(...positions);
      for (const [i, position] of positions.entries()) output.fill(position, i * 120_000, (i + 1) * 120_000);
    },
  };
  const uris = await thumbnails(source, [40, 200]);
  expect(asked).toEqual([40, 200]);
  for (const [i, grey] of [40, 200].entries()) {
    expect(uris[i]).toMatch(/^data:image\/webp;base64,/);
    const { data, info } = await sharp(Buffer.from(uris[i]!.split(',')[1]!, 'base64'))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([160, 160]);
    expect(Math.abs(data[0]! - grey)).toBeLessThan(4);
  }
  expect(await thumbnails(source, [])).toEqual([]);
});
