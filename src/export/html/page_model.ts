/** The network inside a page: its graph as JSON, its weights as base64, and the answer to an image. */
import type { Network } from '../../model/network.ts';
import type { PlainGraph } from '../plain_graph.ts';
import { explain, explainedValues, type HeatMap } from './page_explain.ts';
import { normalizePixels, probabilitiesOfOne, runGraph } from './page_network.ts';

/** Where the numbers of a tensor lie in the bytes of the weights. */
export interface StoredTensor {
  offset: number;
  length: number;
  isHalf: boolean;
}

/** All that the page knows of a model besides its weights. */
export interface PageModel {
  input: Network['input'];
  normalization: Network['normalization'];
  classNames: string[];
  temperature: number;
  /** Two classes: from this probability of class 0 on, it is the answer. */
  threshold?: number | undefined;
  unsureBelow: number;
  /** With {@link StoredTensor} in place of the numbers of each tensor. */
  graph: unknown;
}

export interface PageAnswer {
  logits: Float32Array;
  probabilities: number[];
  /** Class that is most likely right, and how certain that is; counted from the threshold. */
  guess: number;
  certainty: number;
  isUnsure: boolean;
  heat: HeatMap | undefined;
}

/** @param weights the bytes of all tensors */
export function openModel(model: PageModel, weights: Uint8Array): (pixels: ArrayLike<number>) => PageAnswer {
  const graph = withNumbers(model.graph, weights) as PlainGraph;
  const kept = explainedValues(graph);
  return (pixels) => {
    const values = runGraph(graph, normalizePixels(pixels, model.input, model.normalization), kept);
    const logits = values.at(-1)!;
    const probabilities = probabilitiesOfOne(logits, model.temperature);
    const { guess, certainty } = verdictOn(probabilities, model.threshold);
    const isUnsure = certainty < model.unsureBelow;
    return { logits, probabilities, guess, certainty, isUnsure, heat: explain(graph, values, guess) };
  };
}

/** As `predict` decides. */
function verdictOn(probabilities: number[], threshold: number | undefined) {
  if (threshold !== undefined) {
    const for0 = probabilities[0]! * (1 - threshold);
    const for1 = probabilities[1]! * threshold;
    return { guess: for0 >= for1 ? 0 : 1, certainty: Math.max(for0, for1) / (for0 + for1) };
  }
  const guess = probabilities.indexOf(Math.max(...probabilities));
  return { guess, certainty: probabilities[guess]! };
}

/** The same value with the numbers of each tensor in their place. */
function withNumbers(value: unknown, weights: Uint8Array): unknown {
  if (Array.isArray(value)) return value.map((one) => withNumbers(one, weights));
  if (typeof value !== 'object' || value === null) return value;
  if ('isHalf' in value) return numbersOf(value as StoredTensor, weights);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withNumbers(one, weights)]));
}

function numbersOf({ offset, length, isHalf }: StoredTensor, weights: Uint8Array): Float32Array {
  const view = new DataView(weights.buffer, weights.byteOffset + offset);
  const numbers = new Float32Array(length);
  for (let i = 0; i < length; i++)
    numbers[i] = isHalf ? halfToFloat(view.getUint16(2 * i, true)) : view.getFloat32(4 * i, true);
  return numbers;
}

function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(half >> 10) & 0x1f, half & 0x3ff];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** The bytes of a base64 text. */
export function bytesOfBase64(text: string): Uint8Array {
  const fast = (Uint8Array as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
  if (fast) return fast.call(Uint8Array, text);
  // In pieces, since a string of all bytes would take ten times their memory.
  const [step, padding] = [2 ** 20, text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0];
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  for (let from = 0; from < text.length; from += step) {
    const piece = atob(text.slice(from, from + step));
    const start = (from / 4) * 3;
    for (let i = 0; i < piece.length; i++) bytes[start + i] = piece.charCodeAt(i);
  }
  return bytes;
}
