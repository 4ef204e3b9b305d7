/** Why a network answered as it did: what of the image spoke for it, and which training images are most like it. */
import type { Images } from '../data/images.ts';
import type { NativeSession } from '../model/addon.ts';
import { classActivations, explainerOf, questionOf } from '../model/class_activation.ts';
import type { Network } from '../model/network.ts';
import type { Chosen, Findings } from './findings.ts';
import { type KnownFeatures, nearestImages } from './nearest.ts';
import type { EvaluatedEvent } from './training_events.ts';

/** Of the worst mistakes; a person looks at a few. */
const MOST_EXPLAINED = 12;
const NEIGHBOURS = 2;

export interface MistakeExplanation {
  session: NativeSession;
  network: Network;
  images: Images;
  /** Images that the session takes at a time. */
  batchSize: number;
  /** What is known of the training images, where it is. */
  known: () => KnownFeatures | undefined;
}

/** The findings, their worst mistakes with what explains them. The session holds the weights that were evaluated. */
export async function explainMistakes(
  found: Findings,
  event: Pick<EvaluatedEvent, 'positions' | 'logits' | 'average'>,
  explanation: MistakeExplanation,
): Promise<Findings> {
  const worst = found.mistakes.slice(0, MOST_EXPLAINED);
  const known = explanation.known();
  const heats = await withAverage(explanation.session, event.average, () =>
    heatsOf(worst, event, explanation),
  );
  const explained = worst.map((chosen, i): Chosen => {
    const nearest = known ? nearestImages(known, chosen.position, NEIGHBOURS) : [];
    return { ...chosen, ...heats[i], ...(nearest.length > 0 ? { nearest } : {}) };
  });
  return { ...found, mistakes: [...explained, ...found.mistakes.slice(worst.length)] };
}

/** The moving average is what was evaluated, where there is one. */
async function withAverage<T>(
  session: NativeSession,
  average: Float32Array | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (!average) return work();
  const values = await session.getParameters();
  await session.setParameters(average);
  try {
    return await work();
  } finally {
    await session.setParameters(values);
  }
}

async function heatsOf(
  chosen: Chosen[],
  { positions, logits }: Pick<EvaluatedEvent, 'positions' | 'logits'>,
  { session, network, images, batchSize }: MistakeExplanation,
): Promise<Pick<Chosen, 'other' | 'heat'>[]> {
  if (chosen.length === 0) return [];
  const explainer = explainerOf(network, session.parameters, await session.getParameters());
  if (!explainer) return [];
  const classes = network.classNames.length;
  const questions = chosen.map(({ position, guess }) => {
    const row = positions.indexOf(position);
    return questionOf(logits.subarray(row * classes, (row + 1) * classes), guess);
  });
  const heats: Pick<Chosen, 'other' | 'heat'>[] = [];
  for (let from = 0; from < chosen.length; from += batchSize) {
    const some = chosen.slice(from, from + batchSize);
    const pixels = new Uint8Array(some.length * images.height * images.width * 3);
    await images.assemble(
      Uint32Array.from(some, ({ position }) => position),
      pixels,
    );
    const asked = questions.slice(from, from + some.length);
    // Three digits: it is kept as text, and looked at.
    for (const [i, { height, width, values }] of (
      await classActivations(session, explainer, pixels, asked)
    ).entries())
      heats.push({
        other: asked[i]!.other,
        heat: { height, width, values: Array.from(values, (value) => Number(value.toPrecision(3))) },
      });
  }
  return heats;
}
