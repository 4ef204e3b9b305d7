/** What a training begins with: a session, and in it the first weights or those of a checkpoint. */

import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../base/errors.ts';
import { classWeights } from '../data/balance.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Split } from '../data/split.ts';
import type { StartWeights } from '../export/backbone.ts';
import { loadAddon, type NativeSession, type OptimizerOptions, type SessionOptions } from '../model/addon.ts';
import type { ChosenDevice } from '../model/device.ts';
import type { Network } from '../model/network.ts';
import { networkShapes, parameterCount } from '../model/network_shapes.ts';
import type { TrainingSettings } from '../model/training_defaults.ts';
import type { TrainOptions } from '../options.ts';
import type { Ranks } from '../ranks/ranks.ts';
import { type Snapshot, startPosition } from '../training/training_state.ts';
import { type Resumed, resumePosition } from './resume.ts';

type SessionChoice = Pick<
  TrainOptions,
  'momentum' | 'balance' | 'seed' | 'clipNorm' | 'precision' | 'syncBn'
> &
  Pick<TrainingSettings, 'optimizer' | 'weightDecay' | 'labelSmoothing'> & {
    batchSize: number;
    threads: number;
    /** Whether it begins with layers that have learned: their norms and biases don't decay. */
    tuned: boolean;
  };

function optimizerOf({ optimizer: kind, momentum, weightDecay, tuned }: SessionChoice): OptimizerOptions {
  const rules = { kind, weightDecay, decayNormsAndBiases: !tuned };
  return kind === 'sgd' ? { ...rules, momentum, nesterov: momentum > 0 } : rules;
}

/** What the session of a run is opened with. */
export function sessionOptions(
  network: Network,
  device: ChosenDevice,
  dataset: Dataset,
  split: Split,
  options: SessionChoice,
  ranks?: Ranks,
): SessionOptions {
  const optimizer = optimizerOf(options);
  const weights =
    options.balance === 'weights'
      ? { classWeights: classWeights(dataset.labels, split.train, dataset.classNames.length) }
      : {};
  const { seed, threads, labelSmoothing, clipNorm = 0, precision } = options;
  // Of several ranks each has its part of a batch.
  const batchSize = Math.ceil(options.batchSize / (ranks?.size ?? 1));
  const shared = ranks ? { ranks: ranks.native, syncBatchNorm: options.syncBn } : {};
  return {
    device: device.name,
    network,
    seed,
    batchSize,
    threads,
    optimizer,
    labelSmoothing,
    clipNorm,
    precision,
    ...weights,
    ...shared,
  };
}

/** @throws UserError when the device can't hold the network */
export function openSession(options: SessionOptions): Promise<NativeSession> {
  return loadAddon()
    .createSession(options)
    .catch((error: Error) => {
      throw new UserError(error.message);
    });
}

/** All parameters that a network starts from; a head that is made anew is all 0. */
export function allValues(network: Network, { backbone, head }: StartWeights): Float32Array {
  const values = new Float32Array(parameterCount(networkShapes(network)));
  values.set(backbone);
  if (head && isDeepStrictEqual(head.classNames, network.classNames))
    values.set(head.values, backbone.length);
  return values;
}

/** Puts in what the layers below the head start from, and the head itself where it is of the same classes. */
export async function putStart(
  session: NativeSession,
  { backbone, head }: StartWeights,
  classNames: string[],
): Promise<void> {
  const values = await session.getParameters();
  values.set(backbone);
  if (head && isDeepStrictEqual(head.classNames, classNames)) values.set(head.values, backbone.length);
  await session.setParameters(values);
}

/** What the session begins with, put into it. */
export async function startState(
  session: NativeSession,
  resumed: Resumed | undefined,
  found: { network: Network; dataHash: string; stepsPerEpoch: number },
  seed: number,
): Promise<Snapshot> {
  const checkpoint = resumed?.checkpoint;
  if (!resumed || !checkpoint) {
    const reading = Promise.all([session.getParameters(), session.getOptimizerState()]);
    const [values, optimizer] = await reading.catch((error: Error) => {
      throw new UserError(`The device failed before the first step: ${error.message}`);
    });
    return { position: startPosition(seed), values, optimizer };
  }
  const position = resumePosition({ ...resumed, checkpoint }, found);
  await session.setParameters(checkpoint.values);
  const { losses, ...rest } = checkpoint;
  // Before the first step there is none, and what learns may be more now than then.
  if (rest.optimizer.step > 0) await session.setOptimizerState(rest.optimizer);
  else rest.optimizer = await session.getOptimizerState();
  // Of other images they say nothing.
  const known = losses && found.dataHash === checkpoint.dataHash ? { losses } : {};
  return { ...rest, position, ...known };
}

/** Puts what rank 0 begins with into the sessions of all ranks. */
export async function shareStart(ranks: Ranks, session: NativeSession, own: Snapshot): Promise<Snapshot> {
  const { values, optimizer, average, losses, position } = own;
  const { values: moments, ...progress } = optimizer;
  const counts = { average: average?.length, losses: losses?.length, moments: moments.length };
  const head = await ranks.broadcast({ position, progress, counts });
  const of = (array: Float32Array | undefined, length: number) =>
    ranks.broadcastFloats(ranks.isFirst && array ? array : new Float32Array(length));
  const start: Snapshot = {
    position: head.position,
    values: await of(values, values.length),
    optimizer: { ...head.progress, values: await of(moments, head.counts.moments) },
  };
  if (head.counts.average) start.average = await of(average, head.counts.average);
  if (head.counts.losses) start.losses = await of(losses, head.counts.losses);
  if (ranks.isFirst) return own;
  await session.setParameters(start.values);
  await session.setOptimizerState(start.optimizer);
  return start;
}
