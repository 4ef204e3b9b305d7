/** What a network makes of the validation images. */
import type { Dataset } from '../data/dataset.ts';
import type { Images } from '../data/images.ts';
import { computeMetrics, type Metrics } from '../metrics/metrics.ts';
import type { NativeSession } from '../model/addon.ts';
import { partOf } from '../ranks/rank_share.ts';
import type { Ranks } from '../ranks/ranks.ts';

/** A validation: its metrics, and the rows of logits and labels that they are counted from. */
export interface Evaluation {
  metrics: Metrics;
  logits: Float32Array;
  labels: Int32Array;
}

/** The images to validate on. */
export interface ValidationImages {
  images: Images;
  dataset: Pick<Dataset, 'classNames' | 'labels'>;
  /** Positions in the data set. */
  val: Uint32Array;
  batchSize: number;
  signal?: AbortSignal | undefined;
  /** The processes that validate together, each a part of the images; absent: this one alone. */
  ranks?: Ranks | undefined;
}

/** Metrics of the validation images, in the order and the batches that prediction would use. */
export async function evaluate(session: NativeSession, validation: ValidationImages): Promise<Evaluation> {
  const { dataset, ranks } = validation;
  const classes = dataset.classNames.length;
  const all = ranks ? await evaluatePart(session, validation, ranks) : await predictAll(session, validation);
  return { metrics: await computeMetrics(all.logits, all.labels, classes), ...all };
}

/** Batches that a rank predicts before it asks whether all are to stop. */
const BATCHES_AT_ONCE = 4;

/** Predicts the part of this rank, and gathers those of the others. */
async function evaluatePart(session: NativeSession, validation: ValidationImages, ranks: Ranks) {
  const { images, dataset, val, signal } = validation;
  const { first, count } = partOf(val.length, ranks);
  const classes = dataset.classNames.length;
  const batchSize = Math.ceil(validation.batchSize / ranks.size);
  const logits = new Float32Array(count * classes);
  const step = batchSize * BATCHES_AT_ONCE;
  // Equally often on all ranks, whose parts differ by an image.
  for (let begin = 0; begin < Math.ceil(val.length / ranks.size); begin += step) {
    await ranks.throwIfStopped(signal);
    const part = val.subarray(first + begin, first + Math.min(begin + step, count));
    const found = await predictAll(session, { images, dataset, val: part, batchSize });
    logits.set(found.logits, begin * classes);
  }
  const labels = Int32Array.from(val, (position) => dataset.labels[position]!);
  return { logits: await ranks.joinRows(logits, val.length, classes), labels };
}

async function predictAll(
  session: NativeSession,
  { images, dataset, val, batchSize, signal }: ValidationImages,
): Promise<{ logits: Float32Array; labels: Int32Array }> {
  const classes = dataset.classNames.length;
  const logits = new Float32Array(val.length * classes);
  const labels = new Int32Array(val.length);
  let waiting: Promise<unknown> | undefined;
  let from = 0;
  for await (const batch of images.batches(val, { batchSize, signal })) {
    const start = from * classes;
    const queued = session.predict(batch.images, batch.labels.length).then((rows) => logits.set(rows, start));
    // Told where it is awaited.
    queued.catch(() => {});
    labels.set(batch.labels, from);
    from += batch.labels.length;
    await waiting;
    waiting = queued;
  }
  await waiting;
  return { logits, labels };
}
