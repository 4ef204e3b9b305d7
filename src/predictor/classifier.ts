/** A model on a device: pixels in, verdicts out. */
import { availableParallelism } from 'node:os';
import { cacheFolder } from '../base/cache_folder.ts';
import { UserError } from '../base/errors.ts';
import { decodeImage } from '../data/decode.ts';
import { scaled } from '../metrics/calibration.ts';
import { parseHierarchy } from '../metrics/hierarchy.ts';
import { softmax } from '../metrics/metrics.ts';
import { loadAddon, type NativeSession, type SessionOptions } from '../model/addon.ts';
import { chooseDevice } from '../model/device.ts';
import type { Network } from '../model/network.ts';
import { activationCount, networkShapes } from '../model/network_shapes.ts';
import { completeOptions, type PredictOptions, predictOptions } from '../options.ts';
import { preflight } from '../training/preflight.ts';
import { loadModel, type Model } from './load_model.ts';
import { type Reading, type Verdict, verdictOf } from './prediction.ts';

/** Values between the layers that one batch may have: half a gigabyte. */
const ACTIVATIONS = 2 ** 27;
/** More images at once are not faster. */
const LARGEST_BATCH = 32;

export interface Classifier {
  model: Model;
  reading: Reading;
  /** "oneDNN 3.5.3" */
  device: string;
  session: NativeSession;
  /** Images that `classify` takes at most. */
  batchSize: number;
  /**
   * Decodes an image to the pixels of the network.
   * @returns uint8 [height, width, 3]
   * @throws UserError with the reason alone, as `decodeImage` does
   */
  decode(bytes: Uint8Array): Promise<Uint8Array>;
  /** @param images 1 to `batchSize`, as `decode` returns them; the verdicts are in their order */
  classify(images: Uint8Array[]): Promise<Verdict[]>;
  /** Frees the native memory once the queued calls have ended. Twice is fine. */
  dispose(): Promise<void>;
}

/**
 * Loads a model onto a device.
 * @param given options of `predict` by name
 * @throws UserError when an option is wrong, there is no model, or it can't run
 */
export async function openClassifier(given: Partial<PredictOptions>): Promise<Classifier> {
  const options = completeOptions(predictOptions, given);
  const model = await loadModel(options);
  const { network, calibration } = model;
  const { classNames, input } = network;
  const hierarchy = parseHierarchy(model.metadata.hierarchy, classNames.length);
  const reading = { classNames, calibration, hierarchy, unsure: options.unsure, top: options.top };
  const { session, batchSize, device } = await openSession(network, model.values, options);
  return {
    model,
    reading,
    device,
    session,
    batchSize,
    decode: (bytes) => decodeImage(bytes, { size: input.height, fit: input.fit }),
    async classify(images) {
      const logits = await session.predict(Buffer.concat(images), images.length);
      const probabilities = softmax(scaled(logits, calibration.temperature), classNames.length);
      return images.map((_, row) => verdictOf(reading, probabilities, row));
    },
    dispose: () => session.dispose(),
  };
}

async function openSession(
  network: Network,
  values: Float32Array,
  options: Pick<PredictOptions, 'device' | 'threads'>,
) {
  const addon = loadAddon();
  const devices = await addon.devices();
  const device = chooseDevice(options.device, devices);
  const fitting = Math.floor(ACTIVATIONS / activationCount(networkShapes(network)));
  const batchSize = Math.min(LARGEST_BATCH, Math.max(1, fitting));
  const threads = options.threads ?? availableParallelism();
  const optimizer = { kind: 'sgd' } as const;
  const wanted = { device: device.name, network, seed: 0, batchSize, threads, optimizer };
  const checked = device.name === 'metal' ? await checkedOptions(wanted, values, options.device) : wanted;
  const session = await addon.createSession(checked).catch((error: Error) => {
    throw new UserError(error.message);
  });
  await session.setParameters(values);
  const used = devices.find(({ name }) => name === checked.device)!;
  return { session, batchSize, device: used.description };
}

/**
 * Predicts a few made-up images on the GPU in a child process, once for each network, and takes the CPU where they differ.
 * @throws UserError where the GPU was asked for by name
 */
async function checkedOptions(
  session: SessionOptions,
  values: Float32Array,
  requested: PredictOptions['device'],
): Promise<SessionOptions> {
  const gpu = (await loadAddon().devices()).find(({ name }) => name === 'metal')!;
  const { why, depthwise, file } = await preflight({
    session,
    gpu,
    values,
    cacheDir: cacheFolder(),
    predictOnly: true,
  });
  if (why === '') return { ...session, depthwise };
  if (requested === 'auto') return { ...session, device: 'cpu' };
  throw new UserError(
    `--device metal can't be used for this network: expected the predictions of the CPU, but ${why}; use --device cpu; ` +
      `birbs-metal doctor says more, and removing ${file} has it checked again`,
  );
}
