/** A network for new classes on the layers of a pretrained one. */
import { UserError } from '../base/errors.ts';
import type { Network } from '../model/network.ts';
import { networkShapes } from '../model/network_shapes.ts';
import { networks } from '../model/presets.ts';
import type { PretrainedName } from '../model/pretrained.ts';
import type { BackboneOptions } from '../model/pretrained_networks.ts';
import { readSafetensors } from './safetensors.ts';
import { joinTensors } from './weights.ts';

/** Tensors of the head, which is replaced: weight and bias of the last dense layer. */
const HEAD_TENSORS = 2;

/**
 * Reads pretrained weights by the names that timm and torchvision give them; the head for the new classes is all 0.
 * @returns the network, and its parameters one after the other
 * @throws UserError that names the tensor when the file is of another network, broken, or has NaN in it
 */
export async function loadBackbone(
  path: string,
  name: PretrainedName,
  options: BackboneOptions,
): Promise<{ network: Network; values: Float32Array }> {
  const { tensors } = await readSafetensors(path);
  const network = networks[name](options);
  const { parameters } = networkShapes(network);
  const [weight] = parameters.slice(-HEAD_TENSORS);
  const classes = tensors[weight!.name]?.shape[0];
  if (classes === undefined)
    throw new UserError(
      `Expected ${path} to hold the weights of ${name}, but there is no tensor ${weight!.name} in it; name its network with --network`,
    );
  const classNames = Array.from({ length: Math.max(2, classes) }, (_, i) => `class ${i}`);
  const donor = networkShapes(networks[name]({ ...options, classNames })).parameters;
  const pretrained = joinTensors(donor, tensors, path);
  const backbone = pretrained.subarray(0, sizeOf(donor.slice(0, -HEAD_TENSORS)));
  const values = new Float32Array(sizeOf(parameters));
  values.set(backbone);
  return { network, values };
}

function sizeOf(parameters: { shape: number[] }[]): number {
  return parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}
