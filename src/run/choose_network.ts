/** Which network a run trains, and what it starts from. */
import { UserError } from '../base/errors.ts';
import { WeightsLock } from '../data/lock/weights_lock.ts';
import type { DatasetProgress } from '../data/meter.ts';
import { loadBackbone } from '../export/backbone.ts';
import type { Fit, Network } from '../model/network.ts';
import { type NetworkName, networks } from '../model/presets.ts';
import { isPretrained, type PretrainedWeights, pretrainedModels } from '../model/pretrained.ts';

/** What `--network auto` takes with pretrained weights, and without. */
const AUTO = { pretrained: 'lite0', scratch: 'birbs-bn' } as const;

/** Side in pixels of a network that starts from scratch. */
const SCRATCH_SIZE = 64;
/** With smaller images `auto` starts from scratch: a pretrained network sees too little in them. */
const LEAST_PRETRAINED_SIZE = 96;

export interface NetworkChoice {
  name: NetworkName;
  imageSize: number;
  /** Absent: from scratch. */
  weights?: PretrainedWeights;
  /** A sentence for the user where `auto` could not take what it would have taken. */
  remark?: string;
}

export interface NetworkRequest {
  network: NetworkName | 'auto';
  imageSize: number | undefined;
  /** A file of weights (`--pretrained`). */
  pretrained: string | undefined;
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
  const { network, imageSize, pretrained, sources, cacheDir } = request;
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
  return networks[name](backboneOptions(imageSize, options));
}

/**
 * The parameters that a pretrained network starts from, the head all 0; undefined from scratch.
 * @throws UserError when the file is not one of this network
 */
export async function startValues(
  { name, imageSize, weights }: NetworkChoice,
  options: BuildOptions,
): Promise<Float32Array | undefined> {
  if (!weights || !isPretrained(name)) return undefined;
  const { values } = await loadBackbone(weights.path, name, backboneOptions(imageSize, options));
  return values;
}

function backboneOptions(imageSize: number, { classNames, fit, tuned }: BuildOptions) {
  return { imageSize, classNames, fit, backbone: tuned ? ('tuned' as const) : ('frozen' as const) };
}
