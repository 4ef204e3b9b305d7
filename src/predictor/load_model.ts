/** From the name of a model to its network, weights and calibration. */
import { stat } from 'node:fs/promises';
import { UserError } from '../base/errors.ts';
import type { ForeignNetwork } from '../export/weights.ts';
import { type Calibration, parseCalibration } from '../metrics/calibration.ts';
import type { Network } from '../model/network.ts';
import type { PredictOptions } from '../options.ts';
import { loadRunWeights, newestWeights, weightsIn } from '../run/run_weights.ts';

export interface Model {
  /** The weights file. */
  path: string;
  network: Network;
  /** As `Weights` has them. */
  values: Float32Array;
  calibration: Calibration;
  metadata: Record<string, string>;
}

/** Which model, and how its weights are to be read. */
export type ModelOptions = Pick<
  PredictOptions,
  'model' | 'network' | 'classes' | 'imageSize' | 'calibration' | 'unsure'
>;

/** As the softmax has it, with doubt below 0.6. */
const UNCALIBRATED: Calibration = { temperature: 1, unsureBelow: 0.6 };

/** @throws UserError when there is no such model, or it can't be used as the options say */
export async function loadModel(options: ModelOptions): Promise<Model> {
  const path = await findWeights(options.model);
  const { calibration: use, unsure } = options;
  const { network, values, metadata } = await loadRunWeights(path, foreignNetwork(options));
  const calibration = use ? parseCalibration(metadata, network.classNames.length, path) : undefined;
  if (unsure && !calibration)
    throw new UserError(
      `Expected a calibrated model for --unsure, but ${use ? `${path} has no calibration: train it again` : 'found --no-calibration'}, or leave --unsure out`,
      2,
    );
  return { path, network, values, calibration: calibration ?? UNCALIBRATED, metadata };
}

/** A weights file, a run folder, or the newest run. */
async function findWeights(model: string | undefined): Promise<string> {
  if (model === undefined) {
    const newest = await newestWeights();
    if (newest) return newest;
    throw new UserError(
      'Expected a trained model in runs/, but there is none; train one first, or name one with --model',
      2,
    );
  }
  const found = await stat(model).catch(() => undefined);
  if (!found) throw new UserError(`No such model: ${model}; name a .safetensors file or a run folder`, 2);
  return found.isDirectory() ? weightsIn(model) : model;
}

/** What is said of weights that another program wrote. */
function foreignNetwork({ network, classes, imageSize }: ModelOptions): ForeignNetwork | undefined {
  if (network) return { network, imageSize, classNames: classes.length > 0 ? classes : undefined };
  if (classes.length === 0 && imageSize === undefined) return undefined;
  const given = classes.length > 0 ? '--classes' : '--image-size';
  throw new UserError(
    `Expected --network beside ${given}: they say what weights of another program are; leave ${given} out for ours`,
    2,
  );
}
