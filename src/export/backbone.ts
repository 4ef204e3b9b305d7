/** What a network starts from: layers that were trained before, on other classes or the same. */
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../base/errors.ts';
import type { Network } from '../model/network.ts';
import { networkShapes, type ParameterShape } from '../model/network_shapes.ts';
import { type NetworkName, networks } from '../model/presets.ts';
import { type PretrainedName, pretrainedModels } from '../model/pretrained.ts';
import { readSafetensors } from './safetensors.ts';
import { joinTensors, type Weights } from './weights.ts';

/** Tensors of the head: weight and bias of the last dense layer. */
const HEAD_TENSORS = 2;

/** Parameters in the order of the network; the head's two tensors are the last. */
export interface StartWeights {
  /** All but the head. */
  backbone: Float32Array;
  /** Absent where the head is made anew. */
  head?: { classNames: string[]; values: Float32Array };
}

/**
 * Reads pretrained weights by the names that timm and torchvision give them; their head is left out.
 * @throws UserError that names the tensor when the file is of another network, broken, or has NaN in it
 */
export async function loadBackbone(
  path: string,
  name: PretrainedName,
  imageSize: number,
): Promise<StartWeights> {
  const { tensors } = await readSafetensors(path);
  const build = (one: PretrainedName, classNames: string[]) =>
    networkShapes(networks[one]({ imageSize, classNames, backbone: 'frozen' })).parameters;
  const isOf = (one: PretrainedName) =>
    build(one, ['a', 'b'])
      .slice(0, -HEAD_TENSORS)
      .every(({ name: tensor, shape }) => String(tensors[tensor]?.shape) === String(shape));
  const names = isOf(name) ? [] : (Object.keys(pretrainedModels) as PretrainedName[]);
  const other = names.find(isOf);
  if (other)
    throw new UserError(
      `Expected ${path} to hold the weights of ${name}, but found those of ${other}; add --network ${other}`,
    );
  const [weight] = build(name, ['a', 'b']).slice(-HEAD_TENSORS);
  const classes = tensors[weight!.name]?.shape[0];
  if (classes === undefined)
    throw new UserError(
      `Expected ${path} to hold the weights of ${name}, but there is no tensor ${weight!.name} in it; name its network with --network`,
    );
  const donor = build(
    name,
    Array.from({ length: Math.max(2, classes) }, (_, i) => `class ${i}`),
  );
  return { backbone: joinTensors(donor, tensors, path).subarray(0, backboneSize(donor)) };
}

/** The ready-made network that a description is of; undefined where it is none. */
export function networkNameOf({
  input,
  normalization,
  layers,
  classNames,
}: Network): NetworkName | undefined {
  const own = [normalization, withoutTraining(layers)];
  return (Object.keys(networks) as NetworkName[]).find((name) => {
    const ours = networks[name]({ imageSize: input.height, classNames });
    return isDeepStrictEqual([ours.normalization, withoutTraining(ours.layers)], own);
  });
}

/** Layers as prediction knows them, whatever of them learns. */
function withoutTraining(layers: Network['layers']): object[] {
  return layers.map((layer) => {
    const {
      frozen: _,
      learningRateFactor: __,
      frozenStatistics: ___,
      ...rest
    }: Record<string, unknown> = { ...layer };
    return rest;
  });
}

/** Whether two descriptions differ at most in what of them learns. */
export function isSameNetwork(a: Network, b: Network): boolean {
  const plain = (network: Network) => ({ ...network, layers: withoutTraining(network.layers) });
  return isDeepStrictEqual(plain(a), plain(b));
}

/**
 * What an earlier run has learned, for a network of the same kind.
 * @throws UserError where the layers below the head have other shapes, as with another image size
 */
export function startFrom(
  { network, values }: Weights,
  name: NetworkName,
  imageSize: number,
  label: string,
): StartWeights {
  const { classNames } = network;
  const own = networkShapes(network).parameters;
  const wanted = networkShapes(networks[name]({ imageSize, classNames })).parameters;
  const other = wanted.find(
    ({ name: one, shape }, i) => own[i]?.name !== one || String(own[i].shape) !== String(shape),
  );
  if (other)
    throw new UserError(
      `Expected --init ${label} to fit a network for images of ${imageSize} pixels, but its ${other.name} is of another shape; leave --image-size out (it is of ${network.input.height} pixels)`,
      2,
    );
  const size = backboneSize(own);
  return { backbone: values.subarray(0, size), head: { classNames, values: values.subarray(size) } };
}

function backboneSize(parameters: ParameterShape[]): number {
  const sizes = parameters.slice(0, -HEAD_TENSORS).map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  return sizes.reduce((sum, size) => sum + size, 0);
}
