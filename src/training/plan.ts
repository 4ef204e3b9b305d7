/** The plan of a training run: images per epoch, steps, learning rate schedule. */

import { UserError } from '../base/errors.ts';
import { count } from '../base/words.ts';
import { type Balance, countClasses, epochOrder } from '../data/balance.ts';
import type { AugmentationSettings } from '../data/batches.ts';
import { correctionNotes } from '../data/correction_notes.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Split } from '../data/split.ts';
import { roundsAnEpoch } from './epoch_order.ts';
import type { Schedule, schedules } from './schedule.ts';

/** The images are read, split and balanced. Counts are in the order of `classNames`. */
export interface DataEvent
  extends Pick<
    Dataset,
    | 'classNames'
    | 'sources'
    | 'skipped'
    | 'filtered'
    | 'duplicates'
    | 'nearDuplicates'
    | 'oddities'
    | 'notes'
    | 'hash'
    | 'lock'
    | 'stream'
    | 'damagedSegments'
    | 'damagedImages'
  > {
  type: 'data';
  train: number[];
  validation: number[];
  /** Training images after balancing: of one draw. */
  balanced: number[];
  balance: Balance;
  /** Draws an epoch is made of. */
  draws: number;
  /** Training images left out because the validation has them. */
  dropped: number;
  majorityClass: string;
  majorityAccuracy: number;
}

export interface Plan {
  event: DataEvent;
  /** Images a step. */
  batchSize: number;
  rounds: number;
  stepsPerEpoch: number;
  schedule: Schedule;
  augmentation: AugmentationSettings | undefined;
}

export interface PlanOptions {
  balance: Balance;
  /** Absent: {@link BATCH_SIZE}, or fewer where there are fewer images. */
  batchSize?: number | undefined;
  epochs: number;
  /** Of these, epochs of the head of a pretrained network, which are no part of the schedule. */
  headEpochs: number;
  schedule: (typeof schedules)[number];
  learningRate: number;
  /** Steps of the rise from 0; absent: an epoch or a tenth of the run. */
  warmup?: number | undefined;
  imageSize: number;
  seed: number;
  augment: boolean;
  /** Side of the grey square, as a share of the image's side. */
  cutout: number;
}

/** Default batch size. */
export const BATCH_SIZE = 32;

/** A size that was asked for holds; the default shrinks to two steps an epoch. */
function batchSizeFor(given: number | undefined, images: number): number {
  if (given === undefined)
    return images >= BATCH_SIZE ? BATCH_SIZE : 2 ** Math.floor(Math.log2(Math.max(1, images / 2)));
  if (given <= images) return given;
  throw new UserError(
    `Expected --batch-size of at most ${images}, the training images of an epoch, but found ${given}; leave it out, choose a smaller one or add images`,
    2,
  );
}

function warmupFor(given: number | undefined, stepsPerEpoch: number, batches: number): number {
  if (given === undefined) return Math.min(stepsPerEpoch, Math.ceil(batches / 10));
  if (given <= batches) return given;
  throw new UserError(
    `Expected --warmup of at most ${count(batches)}, the steps of the run, but found ${count(given)}; choose fewer, or more --epochs`,
    2,
  );
}

/** @throws UserError if a batch would be larger than an epoch, or the warm-up longer than the run */
export async function planEpochs(dataset: Dataset, split: Split, options: PlanOptions): Promise<Plan> {
  const { balance, epochs, learningRate, schedule: kind, imageSize, seed } = options;
  const { classNames } = dataset;
  const draw = await epochOrder(dataset, split.train, { balance, seed, round: 0 });
  const rounds = roundsAnEpoch(balance, {
    drawn: draw.length,
    images: split.train.length,
    validated: split.val.length,
    classes: classNames.length,
  });
  const images = draw.length * rounds;
  const batchSize = batchSizeFor(options.batchSize, images);
  const stepsPerEpoch = Math.ceil(images / batchSize);
  const first = stepsPerEpoch * options.headEpochs;
  const batches = stepsPerEpoch * epochs - first;
  const warmup = warmupFor(options.warmup, stepsPerEpoch, batches);
  const counts = (positions: Uint32Array) => countClasses(dataset.labels, positions, classNames.length);
  const validation = counts(split.val);
  // The head alone is fitted on all images, its classes weighed.
  const headOnly = options.headEpochs === epochs;
  const notes = [...(dataset.notes ?? []), ...correctionNotes(dataset, split)];
  const event: DataEvent = {
    type: 'data',
    classNames,
    sources: dataset.sources,
    skipped: dataset.skipped,
    filtered: dataset.filtered,
    duplicates: dataset.duplicates,
    nearDuplicates: dataset.nearDuplicates,
    oddities: dataset.oddities,
    notes: notes.length > 0 ? notes : undefined,
    hash: dataset.hash,
    stream: dataset.stream,
    damagedSegments: dataset.damagedSegments,
    damagedImages: dataset.damagedImages,
    lock: dataset.lock,
    train: counts(split.train),
    validation,
    balanced: counts(headOnly ? split.train : draw),
    balance: headOnly && balance !== 'none' ? 'weights' : balance,
    draws: headOnly ? 1 : rounds,
    dropped: split.dropped,
    majorityClass: classNames[validation.indexOf(Math.max(...validation))]!,
    majorityAccuracy: Math.max(...validation) / split.val.length,
  };
  return {
    event,
    batchSize,
    rounds,
    stepsPerEpoch,
    schedule: { kind, learningRate, batches, warmup, first },
    augmentation: options.augment ? augmentationFor(imageSize, options.cutout) : undefined,
  };
}

/** Random for each image: a flip, a shift of up to an eighth, changes of brightness, a grey square. */
function augmentationFor(imageSize: number, cutout: number): AugmentationSettings {
  return {
    flip: 0.5,
    shift: Math.floor(imageSize / 8),
    brightnessProbability: 0.4,
    brightness: 0.3,
    contrastProbability: 0.3,
    contrast: 0.2,
    cutout: Math.round(imageSize * cutout),
  };
}
