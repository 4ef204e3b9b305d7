/** The options of a run with what depends on other options, on the machine or on the network worked out. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { cacheFolder } from '../base/cache_folder.ts';
import { UserError } from '../base/errors.ts';
import { LOCK_FILE } from '../data/lock/lock.ts';
import { networkShapes } from '../model/network_shapes.ts';
import { networks } from '../model/presets.ts';
import { isPretrained, pretrainedModels, SMALLEST_PRETRAINED_SIZE } from '../model/pretrained.ts';
import type { TrainOptions } from '../options.ts';
import { autoNetwork, type NetworkChoice } from './choose_network.ts';

/** As many as there is time for. */
const MOST_EPOCHS = 100_000;
/** Passes over the images from scratch. */
const SCRATCH_EPOCHS = 20;

/** What is known before the network is. */
export type ResolvedOptions = ReturnType<typeof resolveOptions>;

/**
 * @param processes of this machine that train together and share its cores
 * @throws UserError for options that contradict each other
 */
export function resolveOptions(options: TrainOptions, processes = 1) {
  const { birds, notBirds, time, epochs, fineTune } = options;
  if (birds.length > 0 !== notBirds.length > 0 && options.data.length === 0) {
    const [given, missing] = birds.length > 0 ? ['birds', 'not-birds'] : ['not-birds', 'birds'];
    throw new UserError(`--${given} needs images of the other kind: add --${missing} SOURCE`, 2);
  }
  if (fineTune !== undefined && epochs !== undefined)
    throw new UserError(
      'Expected --epochs or --fine-tune, but found both; --fine-tune N is the head and N epochs more',
      2,
    );
  checkNetwork(options);
  const none = options.data.length + birds.length + notBirds.length === 0;
  return {
    ...options,
    data: none ? [existsSync('data/birds') ? 'data/birds' : 'demo'] : options.data,
    threads: options.threads ?? Math.max(1, Math.floor(availableParallelism() / processes)),
    rateGiven: options.learningRate !== undefined,
    cache: options.cache ?? cacheFolder(),
    // With --time alone, the number of epochs is open and the learning rate follows the clock.
    timed: time !== undefined && epochs === undefined && fineTune === undefined,
    lock: options.lock ?? LOCK_FILE,
  };
}

/** Known before any image is read: options of another kind of network, an image size that makes too large a network. */
export function checkNetwork(
  { network, imageSize = 64, fit, fineTune, findLr }: TrainOptions,
  classNames = ['bird', 'not-bird'],
): void {
  const name = network === 'auto' ? autoNetwork(imageSize) : network;
  if (isPretrained(name) && imageSize < SMALLEST_PRETRAINED_SIZE)
    throw new UserError(
      `Expected --image-size of at least ${SMALLEST_PRETRAINED_SIZE} for ${name}, but found ${imageSize}; leave it out (${pretrainedModels[name].imageSize}), or train --network birbs-bn`,
      2,
    );
  networkShapes(networks[name]({ imageSize, fit, classNames }));
  if (network === 'auto') return;
  if (fineTune !== undefined && !isPretrained(network))
    throw new UserError(
      `Expected --fine-tune with a pretrained network, but found --network ${network}; use --epochs`,
      2,
    );
  if (findLr && isPretrained(network))
    throw new UserError(
      `Expected --find-lr with a network that is trained from scratch, but found --network ${network}; leave it out`,
      2,
    );
}

/** Epochs of the run: of a pretrained network the first is the head, those after it are fine-tuning. */
export function epochsOf(
  { epochs, fineTune, timed }: Pick<ResolvedOptions, 'epochs' | 'fineTune' | 'timed'>,
  { name }: Pick<NetworkChoice, 'name'>,
): number {
  if (timed) return MOST_EPOCHS;
  return epochs ?? (isPretrained(name) ? 1 + (fineTune ?? 0) : SCRATCH_EPOCHS);
}
