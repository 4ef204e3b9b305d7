/** The events at the start of a run. */
import { networkShapes, parameterCount } from '../model/network_shapes.ts';
import { fewImagesRemark, isPretrained, seenRemark } from '../model/pretrained.ts';
import type { TrainOptions } from '../options.ts';
import type { Plan } from '../training/plan.ts';
import type { StartEvent } from '../training/train_events.ts';
import { memoryRemarks } from '../training/training_memory.ts';
import type { Snapshot } from '../training/training_state.ts';
import { numbersInWords, shrunkenBatch } from './in_words.ts';
import type { ResolvedOptions } from './resolve_options.ts';
import type { Prepared, Run } from './run_state.ts';

export function nameSources({ data, birds, notBirds }: ResolvedOptions, asked: TrainOptions) {
  const given = [asked.data, asked.birds, asked.notBirds].some((list) => list.length > 0);
  const missing = data[0] === 'demo' ? ' and there is no data/birds' : '';
  return {
    sources: [...data, ...birds, ...notBirds],
    sourcesReason: given ? '' : `no source was given${missing}`,
  };
}

export function startEvent(
  { folder, given, options, resumed, clock }: Run,
  { choice, epochs, dataset, plan, network }: Prepared,
  { position }: Snapshot,
  remarks: string[],
): StartEvent {
  const spent = clock.total;
  const ended = resumed ? endRemark(options, epochs, position.epoch, spent) : [];
  const { name, imageSize, weights, remark } = choice;
  return {
    type: 'start',
    run: folder,
    network: name,
    imageSize,
    stepsPerEpoch: plan.stepsPerEpoch,
    weights: parameterCount(networkShapes(network)),
    pretrained: weights ? weights.source : null,
    hasHead: isPretrained(name),
    epochs: options.timed ? null : epochs,
    budget: options.time ?? null,
    spent,
    resumed: resumed ? { step: position.step, epoch: position.epoch } : null,
    remarks: [
      ...(remark ? [remark] : []),
      ...(isPretrained(name) ? seenRemark(dataset.names) : []),
      ...(isPretrained(name) ? fewImagesRemark(dataset.classNames, imagesOf(plan)) : []),
      ...(isPretrained(name) && epochs > 1 ? memoryRemarks(network, plan.batchSize) : []),
      ...(resumed?.remarks ?? []),
      ...numbersInWords(given, plan),
      ...(isPretrained(name) && epochs === 1
        ? []
        : shrunkenBatch(given.batchSize ?? resumed?.options.batchSize, plan)),
      ...remarks,
      ...ended,
    ],
  };
}

/** Of each class, validation included. */
function imagesOf({ event: { train, validation } }: Plan): number[] {
  return train.map((count, k) => count + validation[k]!);
}

/** Of a run that is resumed and has nothing left to do. */
function endRemark({ time }: ResolvedOptions, epochs: number, done: number, seconds: number): string[] {
  if (time !== undefined && seconds >= time)
    return ['Its time is up: there is nothing left to train; a longer --time goes on'];
  if (done < epochs) return [];
  return [`It has all its epochs (${epochs}): there is nothing left to train; a larger --epochs goes on`];
}
