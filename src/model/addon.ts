/** The boundary to the native addon, written down by hand; the only file that loads it. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { UserError } from '../base/errors.ts';
import { addonPaths, isBundled, setupCommand } from '../setup/addon_place.mjs';
import { addonMissing } from '../setup/tools.mjs';
import type { LayerShape, Network } from './network.ts';

/** A backend by name: `cpu` is oneDNN, or the portable kernels where oneDNN is missing. */
export type DeviceName = 'cpu' | 'portable' | 'metal';

/** A device of this build, whether it can be used or not. */
export interface DeviceInfo {
  name: DeviceName;
  available: boolean;
  /** What runs there ("oneDNN 3.5.3"), or why it can't. */
  description: string;
  /** Of an available GPU. */
  gpu?: GpuFacts;
  /** What {@link Addon.probe} may be asked about it. */
  probes?: string[];
}

/** What a GPU says of itself. */
export interface GpuFacts {
  name: string;
  /** The newest it answers to: "Apple 8". */
  family: string;
  /** "macOS 15.1" */
  system: string;
  unifiedMemory: boolean;
  /** A virtual machine's; its numbers may be wrong. */
  virtual: boolean;
  /** The most it recommends to use; 0 if it does not say. */
  workingSetBytes: number;
}

/** The answer to one question about the device's own library. */
export interface ProbeAnswer {
  /** One sentence. */
  text: string;
  /** Whether our graphs rely on this answer. */
  asReliedOn: boolean;
}

/** Optimizer as in torch.optim: same formulas, same defaults. */
export interface OptimizerOptions {
  kind: 'sgd' | 'adam' | 'adamw';
  momentum?: number;
  nesterov?: boolean;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  weightDecay?: number;
  /** Whether batch norms and biases decay as well, as in torch.optim; default true. */
  decayNormsAndBiases?: boolean;
}

/** What a session runs, and how it trains. */
export interface SessionOptions {
  device: DeviceName;
  network: Network;
  /** 0 to 2^53 - 1. */
  seed: number;
  /** The largest batch of any call. */
  batchSize: number;
  threads: number;
  optimizer: OptimizerOptions;
  /** One weight a class; all 1 when absent. */
  classWeights?: number[];
  /** 0 to 1. */
  labelSmoothing?: number;
  /** Largest global gradient norm; absent or 0: no clipping. */
  clipNorm?: number;
  /** What the device computes in; weights stay float32, and fp16 adapts a loss scale. Default fp32. */
  precision?: 'fp32' | 'fp16';
  /**
   * metal: how convolutions with one channel a group run: as MPSGraph's groups (default) or by its depthwise operations.
   * Which is faster differs by Mac; the numbers are the same. Other devices ignore it.
   */
  depthwise?: 'groups' | 'operations';
  /** The processes that train this network together; absent: this one alone. Seed and weights must be equal. */
  ranks?: NativeRanks;
  /** Whether batch norm takes its statistics over all ranks, or each rank over its own images. Default true. */
  syncBatchNorm?: boolean;
}

/** Which images of the global batch a rank has, and what else it sends to the others. */
export interface StepShare {
  /** Place of its first image in the whole batch. */
  first: number;
  /** 0: it has none, and is handed the first image of the batch to run along. */
  count: number;
  /** Numbers that are added up over the ranks; equally many on each. */
  notes?: Float64Array;
}

/**
 * The processes that a launcher of MPI (mpirun) has started, each a "rank". All ranks make the same calls in the same
 * order. Once a rank has failed or does not answer any more, all calls on all ranks reject with a sentence that names it.
 */
export interface NativeRanks {
  /** 0 to size - 1. */
  readonly rank: number;
  readonly size: number;
  /** "Open MPI v4.1.4" */
  readonly library: string;
  /** Element by element over all ranks: equal arrays on all of them. */
  sum(values: Float64Array): Promise<Float64Array>;
  /** The bytes of rank `root`; equally many on each. */
  broadcast(bytes: Uint8Array, root: number): Promise<Uint8Array>;
  /** The bytes of all ranks, one after the other; equally many of each. */
  gather(bytes: Uint8Array): Promise<Uint8Array>;
  /** Tells the others that this rank can't go on, and why. */
  fail(reason: string): void;
  /** The end, for all ranks; after a failure once this rank has saved what there is to save. */
  leave(): Promise<void>;
}

/** What {@link Addon.findMpi} finds. */
export interface MpiFound {
  /** "Open MPI v4.1.4" */
  library: string;
  path: string;
  /** Empty, or what is missing and how to get it. */
  problem: string;
}

/** A parameter tensor of a session. */
export interface ParameterInfo {
  /** PyTorch's name: "conv1.weight". */
  name: string;
  shape: number[];
  /** In floats, in the flat array of all parameters. */
  offset: number;
  size: number;
  /** False for running statistics. */
  trainable: boolean;
}

/** What {@link Addon.planNetwork} finds out. */
export interface NetworkPlan {
  /** First the images, then the output of each layer. */
  layers: LayerShape[];
  parameters: ParameterInfo[];
  /** Multiplications with a weight for one image, of each layer. */
  multiplyAdds: number[];
}

/** What a training step, or `gradients`, returns. */
export interface StepResult {
  /** Mean softmax cross-entropy of the batch, before the update. */
  loss: number;
  correct: number;
  /**
   * float32 [count]: of each image -log of its label's probability, in nats, in the same forward pass, so with dropout;
   * without class weights and label smoothing.
   */
  imageLosses: Float32Array;
  /** Global norm before clipping. */
  gradientNorm: number;
  deviceSeconds: number;
  /** Of these, seconds that other ranks were waited for; absent without any. */
  exchangeSeconds?: number;
  /** The sums of {@link StepShare.notes}. */
  notes?: Float64Array;
  /** metal: what the host took to hand over a step, about this one. */
  hostSeconds?: number;
  /** metal: the command buffers that the step became: MPSGraph continues long ones in further command buffers. */
  commandBuffers?: number;
  /** metal: whether some of them could not be watched, so that a fault there may pass unseen. */
  unwatched?: boolean;
}

/** What a resumed run needs to continue exactly. */
export interface OptimizerState {
  /** Steps taken; counts dropout. */
  step: number;
  /** Of these, steps that fp16 skipped for an overflow; Adam's bias correction does not count them. Default 0. */
  skipped?: number;
  /** Of fp16; 0, the default: none yet. */
  lossScale?: number;
  /** Steps since the loss scale changed or a step was skipped. Default 0. */
  cleanSteps?: number;
  /** Moments in parameter order; see `native/backend.h`. */
  values: Float32Array;
}

/**
 * A network on a device. Calls run one after the other on a thread of the session; a second one may
 * be queued while one runs. Arrays handed in are copied at the call: they may be changed or freed right after it.
 * After `dispose()` every call rejects.
 */
export interface NativeSession {
  readonly parameters: ParameterInfo[];
  /**
   * Forward, backward and update on one batch.
   * @param images uint8 [count, height, width, 3]; count = labels.length, 1 to batchSize
   * @param labels int32 [count], each 0 to classes - 1
   * @param share of a session of several ranks: then `labels` are those of the whole batch, `images` those of the share,
   *   and the result is of the whole batch, the same on all ranks
   */
  trainStep(
    images: Uint8Array,
    labels: Int32Array,
    learningRate: number,
    share?: StepShare,
  ): Promise<StepResult>;
  /**
   * @param images uint8 [count, height, width, 3]; count 1 to batchSize
   * @returns logits, float32 [count, classes], in evaluation mode
   */
  predict(images: Uint8Array, count: number): Promise<Float32Array>;
  /**
   * What a layer gives, in evaluation mode: float32 [count, its shape in C, H, W order].
   * @param layer by name; default what the last dense layer reads, before dropout: the features of each image
   */
  features(images: Uint8Array, count: number, layer?: string): Promise<Float32Array>;
  /** What `trainStep` would use, without changing anything. */
  gradients(
    images: Uint8Array,
    labels: Int32Array,
    share?: StepShare,
  ): Promise<StepResult & { gradients: Float32Array; logits: Float32Array }>;
  /** All parameters one after the other, at the offsets of `parameters`; PyTorch layout. */
  getParameters(): Promise<Float32Array>;
  /** @param values as `getParameters` returns them */
  setParameters(values: Float32Array): Promise<void>;
  getOptimizerState(): Promise<OptimizerState>;
  setOptimizerState(state: OptimizerState): Promise<void>;
  /**
   * Sets parameters and optimizer state at once. After a fault of the device, which leaves its weights unknown, this is
   * the only call that a session does not refuse; it rejects where the device is lost.
   */
  restore(values: Float32Array, state: OptimizerState): Promise<void>;
  /** Frees the native memory once the queued calls have ended. Twice is fine. */
  dispose(): Promise<void>;
}

/** Augmentation of one batch; all randomness is Philox at (seed, augment stream, step, position in the batch). */
export interface Augmentation {
  seed: number;
  step: number;
  /** Images of the batch before these. Default 0. */
  first?: number;
  /** Probability of a horizontal flip. */
  flip: number;
  /** Largest shift in pixels, each axis, edges repeated. */
  shift: number;
  /** Probability of a brightness change, and its largest relative size (0.3: factor 0.7 to 1.3). */
  brightnessProbability: number;
  brightness: number;
  contrastProbability: number;
  contrast: number;
  /** Side in pixels of a grey square somewhere in each image, cut off at its edges; default 0: none. */
  cutout?: number;
}

/** Memory-mapped pixel files, read as one long array of images. */
export interface NativePixels {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /**
   * Copies the images at `rows` (counted over all files in order) into `output`, uint8 [rows.length, height,
   * width, 3], augmented if asked. Runs on the threads of this object; rejects if `output` was resized or transferred.
   */
  assemble(rows: Uint32Array, output: Uint8Array, augmentation?: Augmentation): Promise<void>;
  dispose(): Promise<void>;
}

/** A float32 tensor, packed: images N, C, H, W; weights as PyTorch has them. */
export interface Tensor {
  shape: number[];
  data: Float32Array;
}

/** Attributes of single operations; see `ops.ts` for the typed functions. */
export interface OperationAttributes {
  kernel?: [number, number];
  stride?: [number, number];
  dilation?: [number, number];
  /** top, bottom, left, right */
  padding?: [number, number, number, number];
  groups?: number;
  inputSize?: [number, number];
  countIncludePad?: boolean;
  epsilon?: number;
  labelSmoothing?: number;
  classWeights?: number[];
  rate?: number;
  seed?: number;
  step?: number;
  stream?: number;
}

/** logits[k] = bias[k] + sum over j of weights[k, j] * features[j] */
export interface LinearClassifier {
  /** float32 [classes, width] */
  weights: Float32Array;
  /** float32 [classes] */
  bias: Float32Array;
}

export interface ClassifierOptions {
  /** Features of an image. */
  width: number;
  classes: number;
  /** One weight a class; all 1 when absent. */
  classWeights?: number[] | undefined;
  threads: number;
}

export interface FitOptions {
  /** 0 or more. scikit-learn's C is 1 / (l2 * the sum of the image weights), for two classes twice that. */
  l2: number;
  /** Where to begin; default 0. */
  start?: LinearClassifier | undefined;
  /** Ends when an iteration lowers the loss by no more than this share of it; default 0: when it can't be lowered. */
  leastGain?: number;
}

export interface ClassifierFit extends LinearClassifier {
  /** With the penalty. */
  loss: number;
  iterations: number;
  converged: boolean;
}

/** Features and labels to fit classifiers on. */
export interface NativeClassifier {
  /**
   * Multinomial logistic regression by L-BFGS: the mean of softmax cross-entropy (by class weight) plus l2 / 2 times
   * the squares of the weights of standardised features. Mean and deviation of the features are folded into what it
   * returns.
   */
  fit(options: FitOptions): Promise<ClassifierFit>;
  dispose(): Promise<void>;
}

export interface Addon {
  devices(): Promise<DeviceInfo[]>;
  createSession(options: SessionOptions): Promise<NativeSession>;
  /**
   * Shapes and parameters of a network description from any source. Synchronous; touches no device. Throws an Error that
   * names the invalid field, or the layer (counted from 1).
   */
  planNetwork(description: unknown): NetworkPlan;
  runOperation(
    device: DeviceName,
    operation: string,
    inputs: Tensor[],
    attributes: OperationAttributes,
  ): Promise<Tensor[]>;
  /** Asks what documentation leaves open. A bad answer may end the process: ask in one of its own. */
  probe(device: DeviceName, name: string): Promise<ProbeAnswer>;
  /** Opens finished pixel files (see `src/data/cache/pixel_cache.ts`) of one image size. */
  openPixels(paths: string[], threads: number): Promise<NativePixels>;
  /**
   * Removes a pixel file unless some process has it open by `openPixels`, however it was killed.
   * @returns false where it is in use
   */
  removeUnusedPixels(path: string): Promise<boolean>;
  /**
   * Takes a copy of fixed features.
   * @param features float32 [labels.length, width]
   * @param labels 0 to classes - 1, of two classes at least
   */
  openClassifier(
    features: Float32Array,
    labels: Int32Array,
    options: ClassifierOptions,
  ): Promise<NativeClassifier>;
  /** Joins the processes that mpirun started with this one; once a process. Rejects where MPI is missing or another. */
  joinRanks(): Promise<NativeRanks>;
  /** Whether several processes can train together here. Loads MPI's library, but does not start it. */
  findMpi(): Promise<MpiFound>;
  /** Words 0 to count-1 of Philox4x32-10 at (seed, stream, step). */
  philox(seed: number, stream: number, step: number, count: number): Promise<Uint32Array>;
}

let loaded: Addon | undefined;
let loadedFrom = '';

/**
 * The native addon, loaded once: devices, sessions of networks, single operations.
 * @throws UserError that says what is missing, or why it does not load, and what to do
 */
export function loadAddon(): Addon {
  loaded ??= load();
  return loaded;
}

/** sha256 (hex) of the addon's file: what was found out about one build says nothing of another. */
export async function addonHash(): Promise<string> {
  loadAddon();
  return createHash('sha256')
    .update(await readFile(loadedFrom))
    .digest('hex');
}

function load(): Addon {
  // OpenMP's threads would spin while they wait, and where other programs want the cores too (decoding does) that
  // makes a step ten times slower. Read by its library when the addon loads.
  process.env.OMP_WAIT_POLICY ??= 'passive';
  // BIRBS_ADDON: another build of the addon, for example one with sanitizers.
  const chosen = process.env.BIRBS_ADDON;
  const paths = chosen ? [resolve(chosen)] : addonPaths();
  if (isBundled) {
    throw new UserError(
      'birbs-metal works as a package of its own, but has been bundled into another file; mark it as external in the bundler',
    );
  }
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const path of paths) {
    try {
      const addon = require(path) as Addon;
      loadedFrom = path;
      return addon;
    } catch (error) {
      const [reason] = String((error as Error).message).split('\n');
      tried.push(`${path}: ${existsSync(path) ? reason : 'no such file'}`);
    }
  }
  if (!chosen && !paths.some((path) => existsSync(path))) throw new UserError(addonMissing());
  const mend = chosen ? 'set BIRBS_ADDON to an addon of this machine' : `run \`${setupCommand}\` to build it`;
  throw new UserError(`The native addon could not be loaded (${tried.join('; ')}); ${mend}`);
}
