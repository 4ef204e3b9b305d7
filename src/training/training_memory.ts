/** Estimate of the memory that fine-tuning needs, reported before it starts. */
import { freemem } from 'node:os';
import { megabytes } from '../base/words.ts';
import type { Network } from '../model/network.ts';
import { activationCount, networkShapes, parameterCount } from '../model/network_shapes.ts';

/**
 * Copies of the parameters: on the device the values, gradients and two moments, and here the last two states that
 * training could go back to.
 */
const COPIES = 10;

/** Bytes that training all layers takes: what lies between them for a batch, and the parameters. A little too much. */
export function trainingBytes(network: Network, batchSize: number): number {
  const shapes = networkShapes(network);
  return 4 * (batchSize * activationCount(shapes) + COPIES * parameterCount(shapes));
}

/** A sentence on the memory of fine-tuning; one more where this machine has less. */
export function memoryRemarks(network: Network, batchSize: number, free = freemem()): string[] {
  const needed = trainingBytes(network, batchSize);
  const { height, width } = network.input;
  const remark = `Fine-tuning takes about ${megabytes(needed)} of memory, for batches of ${batchSize} images of ${height} x ${width} pixels`;
  if (needed <= free) return [remark];
  return [`${remark}; only ${megabytes(free)} are free: a smaller --batch-size or --image-size takes less`];
}
