import { describe, expect, test } from 'vitest';
import type { Metrics } from '../../src/metrics/metrics.ts';
import { gradeOf, guessingSentence, verdictOf } from '../../src/training/verdict.ts';

/** From a confusion matrix, as scikit-learn counts. */
function judged(classNames: string[], confusion: number[][], betterThanMajority = true) {
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const all = sum(confusion.flat());
  const perClass = confusion.map((row, k) => {
    const guesses = sum(confusion.map((other) => other[k]!));
    return { precision: guesses === 0 ? 0 : row[k]! / guesses, recall: row[k]! / sum(row) };
  });
  const mean = (of: 'precision' | 'recall') => sum(perClass.map((one) => one[of])) / perClass.length;
  const scores =
    perClass.length === 2 ? perClass[0]! : { precision: mean('precision'), recall: mean('recall') };
  const accuracy = sum(confusion.map((row, k) => row[k]!)) / all;
  const best = { ...scores, perClass, confusion, accuracy, balancedAccuracy: mean('recall') };
  const majorityAccuracy = Math.max(...confusion.map(sum)) / all;
  return { classNames, best: best as unknown as Metrics, betterThanMajority, majorityAccuracy };
}

const BIRDS = ['bird', 'not-bird'];
const TEN = Array.from({ length: 10 }, (_, k) => `kind ${k}`);
const ten = TEN.map((_, k) => TEN.map((_, j) => (j === k ? 40 + k : 6)));

describe('the sentence that answers the question', () => {
  test.each([
    [
      BIRDS,
      [
        [9, 3],
        [9, 39],
      ],
      'finds 9 of 12 birds; half of what it calls bird is something else',
      'fair',
    ],
    [
      BIRDS,
      [
        [11, 1],
        [34, 14],
      ],
      'finds 11 of 12 birds; three quarters of what it calls bird is something else',
      'poor',
    ],
    [
      BIRDS,
      [
        [5, 7],
        [1, 47],
      ],
      'finds 5 of 12 birds; 17% of what it calls bird is something else',
      'poor',
    ],
    [
      BIRDS,
      [
        [1140, 100],
        [3, 5000],
      ],
      'finds 92% of 1,240 birds; 1% of what it calls bird is something else',
      'good',
    ],
    [
      BIRDS,
      [
        [12, 0],
        [0, 48],
      ],
      'finds 12 of 12 birds; all it calls bird is bird',
      'good',
    ],
    [
      ['owl', 'not-owl'],
      [
        [9, 3],
        [3, 48],
      ],
      'finds 9 of 12 owl images; a quarter of what it calls owl is something else',
      'fair',
    ],
    [
      ['cat', 'dog'],
      [
        [45, 5],
        [20, 30],
      ],
      'recognises 45 of 50 cat images and 30 of 50 dog images',
      'fair',
    ],
    [
      ['cat', 'dog'],
      [
        [49, 1],
        [40, 10],
      ],
      'recognises 49 of 50 cat images and 10 of 50 dog images',
      'poor',
    ],
    [
      TEN,
      ten,
      'is right 45% of the time, where guessing among 10 classes is right 10%; it finds 43% of the weakest class, kind 0',
      'poor',
    ],
  ])('%j %j', (names, confusion, sentence, grade) => {
    expect(verdictOf(judged(names, confusion))).toBe(sentence);
    expect(gradeOf(judged(names, confusion))).toBe(grade);
  });

  test.each([
    [
      [
        [12, 0],
        [48, 0],
      ],
      'is no better than guessing: it calls everything bird',
    ],
    [
      [
        [0, 12],
        [0, 48],
      ],
      'is no better than guessing: it calls nothing bird',
    ],
    [
      [
        [11, 1],
        [34, 14],
      ],
      'is no better than guessing: it finds 11 of 12 birds; three quarters of what it calls bird is something else',
    ],
  ])('no better than guessing is poor: %j', (confusion, sentence) => {
    expect(verdictOf(judged(BIRDS, confusion, false))).toBe(sentence);
    expect(gradeOf(judged(BIRDS, confusion, false))).toBe('poor');
  });

  test('a name can do nothing to a terminal', () => {
    const name = `\x1b[31m\u202e${'a'.repeat(500)}`;
    const said = verdictOf(
      judged(
        [name, `not-${name}`],
        [
          [9, 3],
          [9, 39],
        ],
      ),
    );
    expect(said).toMatch(/^finds 9 of 12 \ufffd\[31m\ufffda+…a+ images;/);
    expect(said.length).toBeLessThan(200);
  });
});

describe('compared with guessing', () => {
  test('what is better in every way needs no more words', () => {
    expect(
      guessingSentence(
        judged(BIRDS, [
          [9, 3],
          [3, 45],
        ]),
      ),
    ).toBe('Better than guessing: its balanced accuracy is 84.4%, always answering not-bird gets 50.0%.');
  });

  test('equal figures are not compared, different ones are', () => {
    const alike = judged(BIRDS, [
      [5000, 5000],
      [5001, 34_999],
    ]);
    expect(alike.best.accuracy).toBeLessThan(alike.majorityAccuracy);
    expect(guessingSentence(alike)).not.toContain('plain accuracy');
    expect(
      guessingSentence(
        judged(BIRDS, [
          [9, 3],
          [9, 39],
        ]),
      ),
    ).not.toContain('plain accuracy');
    expect(
      guessingSentence(
        judged(BIRDS, [
          [10, 2],
          [20, 28],
        ]),
      ),
    ).toContain(' Its plain accuracy, 63.3%, is below the 80.0% of that answer');
  });

  test('nothing gained; or a gain that may be luck', () => {
    expect(
      guessingSentence(
        judged(
          BIRDS,
          [
            [12, 0],
            [48, 0],
          ],
          false,
        ),
      ),
    ).toBe(
      'No better than guessing: its balanced accuracy is 50.0%, always answering not-bird gets 50.0%. More images or more epochs may help.',
    );
    expect(
      guessingSentence(
        judged(
          BIRDS,
          [
            [11, 1],
            [34, 14],
          ],
          false,
        ),
      ),
    ).toContain(
      'is 60.4%, always answering not-bird gets 50.0%, and with this few validation images up to 66.1% can be chance.',
    );
  });
});
