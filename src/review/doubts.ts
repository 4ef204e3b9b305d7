/** Which images of a run a person should look at, the most doubtful first. */
import type { Verdict } from '../predictor/prediction.ts';

/** An image whose label or answer is in doubt. */
export interface Doubt {
  /** In the data set. */
  position: number;
  /**
   * `mistake`: a validation image that is answered wrong; `label`: one of training whose label was not believed;
   * `unsure`: the answer is right or wrong with too little certainty.
   */
  kind: 'mistake' | 'label' | 'unsure';
}

/** What is kept of the answer to each image. */
export interface Answers {
  /** Index into the class names, by position. */
  guesses: Int32Array;
  /** 0 to 1, by position. */
  certainties: Float32Array;
  /** 1: too uncertain, by position. */
  unsure: Uint8Array;
}

export function noAnswers(count: number): Answers {
  return {
    guesses: new Int32Array(count),
    certainties: new Float32Array(count),
    unsure: new Uint8Array(count),
  };
}

export function keepAnswer(
  answers: Answers,
  position: number,
  verdict: Verdict,
  classNames: readonly string[],
) {
  answers.guesses[position] = classNames.indexOf(verdict.guess);
  answers.certainties[position] = verdict.certainty;
  answers.unsure[position] = Number(verdict.unsure);
}

/**
 * @param suspects positions of images whose labels the training doubted, the likeliest to be wrong first
 * @param most of all together
 */
export function rankDoubts(
  { guesses, certainties, unsure }: Answers,
  {
    labels,
    train,
    val,
    suspects,
  }: { labels: Int32Array; train: Uint32Array; val: Uint32Array; suspects: number[] },
  most: number,
): Doubt[] {
  const isWrong = (position: number) => guesses[position] !== labels[position];
  const surestFirst = (a: number, b: number) => certainties[b]! - certainties[a]!;
  const inOrder: [Doubt['kind'], number[]][] = [
    ['mistake', [...val.filter(isWrong)].sort(surestFirst)],
    ['label', suspects],
    ['label', [...train.filter(isWrong)].sort(surestFirst)],
    ['unsure', [...val, ...train].filter((at) => unsure[at] === 1).sort((a, b) => surestFirst(b, a))],
  ];
  const found = new Map<number, Doubt>();
  for (const [kind, positions] of inOrder)
    for (const position of positions) if (!found.has(position)) found.set(position, { position, kind });
  return [...found.values()].slice(0, most);
}
