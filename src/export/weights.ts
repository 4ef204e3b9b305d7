/** A network and its weights in one safetensors file: all that predict needs. */

import { UserError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import type { Tensor } from '../model/addon.ts';
import type { Network } from '../model/network.ts';
import { networkShapes, type ParameterShape, parseNetwork } from '../model/network_shapes.ts';
import { birbs, type NetworkName, networks } from '../model/presets.ts';
import {
  CONTENT_HASH,
  contentHash,
  readSafetensors,
  type Safetensors,
  safetensorsParts,
} from './safetensors.ts';

/** A network with its parameters. */
export interface Weights {
  network: Network;
  /** All parameters one after the other, in the order of `networkShapes(network).parameters`; PyTorch layout. */
  values: Float32Array;
  /** What the file says of itself besides the network: metrics, tool. Not to be relied on. */
  metadata: Record<string, string>;
}

/**
 * Encodes a weights file: safetensors with the network and a checksum in its metadata.
 * @param values all parameters one after the other, as in `Weights`; PyTorch layout
 * @param notes added to the metadata
 * @returns the bytes of the file
 * @throws UserError when the length of `values` is not that of the network, or a value is NaN or infinite
 */
export function encodeWeights(
  network: Network,
  values: Float32Array,
  notes: Record<string, string> = {},
): Uint8Array {
  return Buffer.concat(drain(weightsParts(network, values, notes)));
}

/** Without giving others their turn. */
function drain<R>(work: Generator<void, R>): R {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** The same in pieces (see {@link safetensorsParts}), made in turns. */
export function* weightsParts(
  network: Network,
  values: Float32Array,
  notes: Record<string, string> = {},
): Generator<void, Uint8Array[]> {
  const content = {
    metadata: {
      format: 'pt',
      tool: `birbs-metal ${version()}`,
      classNames: JSON.stringify(network.classNames),
      network: JSON.stringify(network),
      ...notes,
    },
    tensors: splitValues(networkShapes(network).parameters, values),
  };
  yield* checkFinite(content.tensors, 'The weights to save');
  return yield* hashedParts(content);
}

/** The pieces of a safetensors file that says what is in it; see {@link CONTENT_HASH}. */
export function* hashedParts(content: Safetensors): Generator<void, Uint8Array[]> {
  const hash = yield* contentHash(content);
  return safetensorsParts({ ...content, metadata: { ...content.metadata, [CONTENT_HASH]: hash } });
}

/** Values that are looked at in a turn. */
const VALUES = 2 ** 20;

/** @throws UserError that names the tensor with a NaN or an infinite value */
export function* checkFinite(tensors: Record<string, Tensor>, label: string): Generator<void, void> {
  for (const [name, { data }] of Object.entries(tensors)) {
    for (let from = 0; from < data.length; from += VALUES) {
      const part = data.subarray(from, from + VALUES);
      if (!areFinite(part)) {
        const i = part.findIndex((value) => !Number.isFinite(value));
        throw new UserError(
          `${label}: expected finite weights, but tensor ${name} has ${part[i]} at position ${from + i}; ` +
            'use an earlier file, or train again with a smaller learning rate',
        );
      }
      if (part.length === VALUES) yield;
    }
  }
}

function areFinite(values: Float32Array): boolean {
  let zero = 0;
  // 0 times NaN or infinity is NaN, which no sum gets rid of.
  for (let i = 0; i < values.length; i++) zero += values[i]! * 0;
  return zero === 0;
}

/** What a weights file of another program does not contain. */
export interface ForeignNetwork {
  network: NetworkName;
  /** In the order of its logits; absent: bird and not-bird of two, else "class 0" and so on. */
  classNames?: string[] | undefined;
  /** Absent: the first that fits its tensors, from 64 on. */
  imageSize?: number | undefined;
}

/**
 * Reads a weights file: one that was trained here, one of the original `birbs` project (`conv1..3`, `fc1..2` and no
 * metadata; the image size follows from `fc1`), or one of another program with the tensors of one of our networks.
 * @param foreign the network of a file that does not name it
 * @throws UserError when the file is damaged, its tensors are not those of its network, or a weight is NaN or infinite
 */
export async function loadWeights(path: string, foreign?: ForeignNetwork): Promise<Weights> {
  const file = await readSafetensors(path);
  const { network: json, ...metadata } = file.metadata;
  if (json !== undefined && foreign)
    throw new UserError(
      `Expected no --network, as ${path} says itself which network it is of; leave it out`,
      2,
    );
  const network = foreign
    ? foreignNetwork(file, foreign, path)
    : json === undefined
      ? seedNetwork(file, path)
      : readNetwork(json, path);
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
  drain(checkFinite(tensors, label));
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

const SEED_TENSORS = ['conv1', 'conv2', 'conv3', 'fc1', 'fc2'].flatMap((layer) => [
  `${layer}.weight`,
  `${layer}.bias`,
]);

/** fc1 takes 128 channels of (side / 8)^2 pixels; any side that halves three times to it gives the same network. */
function seedNetwork({ tensors }: Safetensors, path: string): Network {
  const features = tensors['fc1.weight']?.shape[1] ?? 0;
  const classes = tensors['fc2.weight']?.shape[0] ?? 0;
  const side = Math.sqrt(features / 128) * 8;
  const names = Object.keys(tensors);
  const isBirbs = names.length === SEED_TENSORS.length && names.every((name) => SEED_TENSORS.includes(name));
  if (!isBirbs || !Number.isInteger(side) || side < 8 || side > 4096 || classes < 2 || classes > 10_000) {
    throw new UserError(
      `${path} does not say which network its weights belong to, and they are not those of birbs (conv1..3, fc1, fc2); it was not written by birbs-metal, so name its network with --network (${Object.keys(networks).join(', ')})`,
    );
  }
  return birbs({ imageSize: side, classNames: defaultNames(classes), fit: 'fill' });
}

function defaultNames(classes: number): string[] {
  return classes === 2 ? ['bird', 'not-bird'] : Array.from({ length: classes }, (_, i) => `class ${i}`);
}

/** Sides that are tried for a file that does not say its own. */
const SIDES = [64, ...Array.from({ length: 64 }, (_, i) => 8 * (i + 1))];

/** The network by name, with as many classes as the last of the tensors has rows. */
function foreignNetwork({ tensors }: Safetensors, foreign: ForeignNetwork, path: string): Network {
  const { network: name, imageSize, classNames } = foreign;
  const make = (side: number, names: string[]) => networks[name]({ imageSize: side, classNames: names });
  const shapesOf = (network: Network) => networkShapes(network).parameters;
  const sides = imageSize === undefined ? SIDES : [imageSize];
  const last = shapesOf(make(sides[0]!, ['a', 'b'])).at(-1)!.name;
  const classes = tensors[last]?.shape[0] ?? 0;
  if (classes < 2 || classes > 10_000)
    throw new UserError(
      `${path} holds the weights of another network than ${name}: expected a tensor ${last}`,
    );
  if (classNames && classNames.length !== classes)
    throw new UserError(
      `Expected ${classes} names of classes (--classes) for ${path}, as many as ${last} has rows, but found ${classNames.length}`,
      2,
    );
  const names = classNames ?? defaultNames(classes);
  const fits = (side: number) =>
    shapesOf(make(side, names)).every(
      ({ name: one, shape }) => String(tensors[one]?.shape) === String(shape),
    );
  return make(sides.find(fits) ?? sides[0]!, names);
}
