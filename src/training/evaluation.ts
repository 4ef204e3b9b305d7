/** What a network makes of the validation images. */
import type { Dataset } from '../data/dataset.ts';
import type { Images } from '../data/images.ts';
import { computeMetrics, type Metrics } from '../metrics/metrics.ts';
import type { NativeSession } from '../model/addon.ts';

/** A validation: its metrics, and the rows of logits and labels that they are counted from. */
export interface Evaluation {
  metrics: Metrics;
  logits: Float32Array;
  labels: Int32Array;
}

/** The images to validate on. */
export interface ValidationImages {
  images: Images;
  dataset: Pick<Dataset, 'classNames'>;
  /** Positions in the data set. */
  val: Uint32Array;
  batchSize: number;
  signal?: AbortSignal | undefined;
}

/** Metrics of the validation images, in the order and the batches that prediction would use. */
export async function evaluate(
  session: NativeSession,
  { images, dataset, val, batchSize, signal }: ValidationImages,
): Promise<Evaluation> {
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
  return { metrics: await computeMetrics(logits, labels, classes), logits, labels };
}
