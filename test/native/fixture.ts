/** The numbers written by `test/fixtures/reference.py`. */
import { readFileSync } from 'node:fs';
import type { OperationAttributes, OptimizerOptions } from '../../src/model/addon.ts';
import type { Network } from '../../src/model/network.ts';

export interface FixtureTensor {
  shape: number[];
  data: Float32Array | Int32Array | Uint8Array;
}

/** A case of operations.json; inputs and outputs are names in operations.safetensors. */
export interface OperationCase {
  name: string;
  operation: string;
  attributes: OperationAttributes;
  inputs: string[];
  outputs: string[];
}

/** A case of networks.json; its tensors in networks.safetensors begin with the name. */
export interface NetworkCase {
  name: string;
  network: Network;
  parameters: { name: string; shape: number[]; trainable: boolean }[];
  runs: NetworkRun[];
}

export interface NetworkRun {
  name: string;
  optimizer: OptimizerOptions;
  learningRate: number;
  seed: number;
  classWeights?: number[];
  labelSmoothing?: number;
  clipNorm?: number;
  losses: number[];
  gradientNorms: number[];
}

const views = { F32: Float32Array, I32: Int32Array, U8: Uint8Array };

/** Reads a safetensors file of the fixtures folder. */
export function readTensors(file: string): (name: string) => FixtureTensor {
  const bytes = readFileSync(fixture(file));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  return (name) => {
    const { dtype, shape, data_offsets: range } = header[name];
    const [first, last] = range.map((offset: number) => bytes.byteOffset + 8 + length + offset);
    // Copied, as a view would have to be aligned.
    const data = new views[dtype as keyof typeof views](bytes.buffer.slice(first, last) as ArrayBuffer);
    return { shape, data };
  };
}

export function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(fixture(file), 'utf8')) as T;
}

function fixture(file: string): URL {
  return new URL(`../fixtures/${file}`, import.meta.url);
}
