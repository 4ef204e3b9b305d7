/** Which network a run trains, and what it starts from. */
import { stat } from 'node:fs/promises';
import { UserError } from '../base/errors.ts';
import { quote } from '../base/words.ts';
import { WeightsLock } from '../data/lock/weights_lock.ts';
import type { DatasetProgress } from '../data/meter.ts';
import { loadBackbone, networkNameOf, type StartWeights, startFrom } from '../export/backbone.ts';
import type { Weights } from '../export/weights.ts';
import type { Fit, Network } from '../model/network.ts';
import { type NetworkName, networks } from '../model/presets.ts';
import { isPretrained, type PretrainedWeights, pretrainedModels } from '../model/pretrained.ts';
import { loadRunWeights, weightsIn } from './run_weights.ts';

/** What `--network auto` takes with pretrained weights, and without. */
const AUTO = { pretrained: 'lite0', scratch: 'birbs-res' } as const;

/** Side in pixels of a network that starts from scratch. */
const SCRATCH_SIZE = 64;
/** With smaller images `auto` starts from scratch: a pretrained network sees too little in them. */
const LEAST_PRETRAINED_SIZE = 96;

export interface NetworkChoice {
  name: NetworkName;
  imageSize: number;
  /** How images become squares, where an earlier run decides. */
  fit?: Fit;
  /** Absent: from scratch. */
  weights?: PretrainedWeights;
  /** What those are, where they are of an earlier run. */
  own?: Weights;
  /** A sentence for the user where `auto` could not take what it would have taken. */
  remark?: string;
}

export interface NetworkRequest {
  network: NetworkName | 'auto';
  imageSize: number | undefined;
  /** A file of weights (`--pretrained`). */
  pretrained: string | undefined;
  /** Weights or folder of an earlier run (`--init`). */
  init: string | undefined;
  /** The sources of images to train on. */
  sources: string[];
  cacheDir: string;
  lock: string;
  updateLock: boolean;
}

/** What `auto` takes for images of a size, if weights can be had. */
export function autoNetwork(imageSize: number): NetworkName {
  return imageSize < LEAST_PRETRAINED_SIZE ? AUTO.scratch : AUTO.pretrained;
}

/** Side in pixels that `auto` would train photographs at, as far as can be said before it looks for weights. */
export function usualImageSize(sources: string[]): number {
  return isDemo(sources) ? SCRATCH_SIZE : pretrainedModels[AUTO.pretrained].imageSize;
}

/**
 * Decides on the network, and brings its weights to this disk where it has any.
 * @throws UserError when weights that were asked for can't be had
 */
export async function chooseNetwork(
  request: NetworkRequest,
  {
    onProgress,
    signal,
  }: { onProgress?: (progress: DatasetProgress) => void; signal?: AbortSignal | undefined },
): Promise<NetworkChoice> {
  const { network, imageSize, pretrained, init, sources, cacheDir } = request;
  if (init !== undefined) return ownNetwork(init, request, signal);
  const options = {
    cacheDir,
    lock: new WeightsLock(request.lock, request.updateLock),
    ...(onProgress ? { onProgress } : {}),
    ...(signal ? { signal } : {}),
  };
  if (network !== 'auto' && !isPretrained(network)) {
    if (pretrained !== undefined) throw notPretrained(network);
    return { name: network, imageSize: imageSize ?? SCRATCH_SIZE };
  }
  const name = network === 'auto' ? AUTO.pretrained : network;
  const side = imageSize ?? pretrainedModels[name].imageSize;
  const scratch = { name: AUTO.scratch, imageSize: imageSize ?? SCRATCH_SIZE };
  const isScratch = isDemo(sources) || autoNetwork(side) === AUTO.scratch;
  if (network === 'auto' && pretrained === undefined && isScratch) return scratch;
  const { fetchPretrained, localPretrained } = await import('../data/pretrained_weights.ts');
  if (pretrained !== undefined)
    return { name, imageSize: side, weights: await localPretrained(pretrained, options) };
  if (network !== 'auto') return { name, imageSize: side, weights: await fetchPretrained(name, options) };
  try {
    const weights = await fetchPretrained(name, { ...options, impatient: true });
    return { name, imageSize: side, weights };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof UserError)) throw error;
    return { ...scratch, remark: scratchRemark(name, error.message) };
  }
}

/** The network of an earlier run, with its weights. */
async function ownNetwork(
  init: string,
  { network, imageSize, pretrained, cacheDir }: NetworkRequest,
  signal: AbortSignal | undefined,
): Promise<NetworkChoice> {
  if (pretrained !== undefined)
    throw new UserError(
      'Expected --init or --pretrained, but found both; --init starts from what a run of yours has learned',
      2,
    );
  const found = await stat(init).catch(() => undefined);
  if (!found)
    throw new UserError(
      `Expected --init to name a run folder or its weights, but there is no ${quote(init)}; check the path`,
      2,
    );
  const path = found.isDirectory() ? await weightsIn(init) : init;
  const own = await loadRunWeights(path);
  const name = networkNameOf(own.network);
  if (!name || (network !== 'auto' && network !== name))
    throw new UserError(
      `Expected --init ${quote(init)} to hold ${network === 'auto' ? 'one of our networks' : `the network ${network}`}, but found ${name ?? 'one that is none of ours'}; ${name ? 'leave --network out' : 'name weights that were trained here'}`,
      2,
    );
  const { height, fit } = own.network.input;
  const { localPretrained } = await import('../data/pretrained_weights.ts');
  const weights = await localPretrained(path, { cacheDir, signal });
  return { name, imageSize: imageSize ?? height, fit, weights, own };
}

function isDemo(sources: string[]): boolean {
  return sources.every((source) => /^demo(\?|$)/.test(source));
}

function notPretrained(network: string): UserError {
  const names = Object.keys(pretrainedModels).join(', ');
  return new UserError(
    `Expected --pretrained with a network that has pretrained weights (${names}), but found --network ${network}; leave one of them out`,
    2,
  );
}

function scratchRemark(name: keyof typeof pretrainedModels, reason: string): string {
  const { megabytes } = pretrainedModels[name];
  return (
    `Training from scratch, because the pretrained weights of ${name} (${megabytes} MB) are not available: ${reason}. ` +
    'With few photos this gives a much weaker model; if you have the weights, name them with --pretrained FILE.safetensors'
  );
}

/** What a network is built for. */
export interface BuildOptions {
  classNames: string[];
  fit: Fit;
  /** Whether the layers below the head are trained as well. */
  tuned: boolean;
}

/** The network of a choice for some classes. */
export function buildNetwork({ name, imageSize }: NetworkChoice, options: BuildOptions): Network {
  const { classNames, fit, tuned } = options;
  return networks[name]({ imageSize, classNames, fit, backbone: tuned ? 'tuned' : 'frozen' });
}

/**
 * What the layers of a network start from; undefined from scratch.
 * @throws UserError when the file is not one of this network
 */
export async function startWeights({
  name,
  imageSize,
  weights,
  own,
}: NetworkChoice): Promise<StartWeights | undefined> {
  if (!weights) return undefined;
  if (own) return startFrom(own, name, imageSize, quote(weights.source));
  return isPretrained(name) ? loadBackbone(weights.path, name, imageSize) : undefined;
}
