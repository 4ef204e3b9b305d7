/** A network and its weights in one safetensors file: all that predict needs. */

import { UserError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import type { Tensor } from '../model/addon.ts';
import { birbs, type Network, networkShapes, type ParameterShape, parseNetwork } from '../model/network.ts';
import { readSafetensors, type Safetensors, safetensorsParts } from './safetensors.ts';

export interface Weights {
  network: Network;
  /** All parameters one after the other, in the order of `networkShapes(network).parameters`; PyTorch layout. */
  values: Float32Array;
  /** What the file says of itself besides the network: metrics, tool. Not to be relied on. */
  metadata: Record<string, string>;
}

/** The bytes of a weights file; `notes` are added to its metadata. */
export function encodeWeights(...weights: Parameters<typeof weightsParts>): Uint8Array {
  return Buffer.concat(weightsParts(...weights));
}

/** The same in pieces; see {@link safetensorsParts}. */
export function weightsParts(
  network: Network,
  values: Float32Array,
  notes: Record<string, string> = {},
): Uint8Array[] {
  return safetensorsParts({
    metadata: {
      format: 'pt',
      tool: `birbs-metal ${version()}`,
      classNames: JSON.stringify(network.classNames),
      network: JSON.stringify(network),
      ...notes,
    },
    tensors: splitValues(networkShapes(network).parameters, values),
  });
}

/**
 * Reads a weights file: one of ours, or one of the first `birbs` (`conv1..3`, `fc1..2` and no metadata), of which the
 * image size follows from `fc1`.
 * @throws UserError when the file is broken, or its tensors are not those of its network
 */
export async function loadWeights(path: string): Promise<Weights> {
  const file = await readSafetensors(path);
  const { network: json, ...metadata } = file.metadata;
  const network = json === undefined ? seedNetwork(file, path) : readNetwork(json, path);
  const { parameters } = networkShapes(network);
  return { network, values: joinTensors(parameters, file.tensors, path), metadata };
}

/** Cuts the flat array into named tensors, without copying. */
export function splitValues(parameters: ParameterShape[], values: Float32Array): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  let offset = 0;
  for (const { name, shape } of parameters) {
    const size = shape.reduce((a, b) => a * b, 1);
    tensors[name] = { shape, data: values.subarray(offset, offset + size) };
    offset += size;
  }
  if (offset !== values.length)
    throw new UserError(`Expected ${offset} weights for this network, but found ${values.length}`);
  return tensors;
}

/** The flat array of exactly the given parameters. */
export function joinTensors(
  parameters: ParameterShape[],
  tensors: Record<string, Tensor>,
  label: string,
): Float32Array {
  const refuse = (expected: string, found: string) =>
    new UserError(`${label} holds the weights of another network: expected ${expected}, but found ${found}`);
  const surplus = Object.keys(tensors).find((name) => !parameters.some((p) => p.name === name));
  if (surplus !== undefined) throw refuse(`no tensor ${surplus}`, 'it');
  const parts = parameters.map(({ name, shape }) => {
    const tensor = tensors[name];
    if (!tensor) throw refuse(`a tensor ${name}`, Object.keys(tensors).slice(0, 4).join(', ') || 'none');
    if (String(tensor.shape) !== String(shape))
      throw refuse(`${name} to be [${shape.join(', ')}]`, `[${tensor.shape.join(', ')}]`);
    return tensor.data;
  });
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    values.set(part, offset);
    offset += part.length;
  }
  return values;
}

function readNetwork(json: string, path: string): Network {
  try {
    return parseNetwork(JSON.parse(json));
  } catch (error) {
    const reason = error instanceof UserError ? error.message : 'its network description is not JSON';
    throw new UserError(`${path} does not describe a network that can run: ${reason}`);
  }
}

/** fc1 takes 128 channels of (side / 8)^2 pixels; any side that halves three times to it gives the same network. */
function seedNetwork({ tensors }: Safetensors, path: string): Network {
  const features = tensors['fc1.weight']?.shape[1] ?? 0;
  const classes = tensors['fc2.weight']?.shape[0] ?? 0;
  const side = Math.sqrt(features / 128) * 8;
  if (!Number.isInteger(side) || side < 8 || side > 4096 || classes < 2 || classes > 10_000) {
    throw new UserError(
      `${path} does not say which network its weights belong to, and they are not those of birbs (conv1..3, fc1, fc2); use a file that birbs-metal wrote`,
    );
  }
  const classNames =
    classes === 2 ? ['bird', 'not-bird'] : Array.from({ length: classes }, (_, i) => `class ${i}`);
  return birbs({ imageSize: side, classNames, fit: 'fill' });
}
