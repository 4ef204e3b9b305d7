/** What every export format gets, and what reading a file back has to give. */
import type { Calibration } from '../metrics/calibration.ts';
import type { Network } from '../model/network.ts';
import { halfBytes } from './half_floats.ts';
import type { NamedTensor, PlainGraph } from './plain_graph.ts';
import { bytesOf } from './safetensors.ts';

/** How exported weights are stored; the arithmetic is float32 with both. */
export type WeightWidth = 'fp32' | 'fp16';

/** A trained network on its way to another format. */
export interface ExportedModel {
  network: Network;
  graph: PlainGraph;
  calibration: Calibration;
  /** Texts about it by key: classes, thresholds, how its images are prepared, where it is from. */
  metadata: Record<string, string>;
  width: WeightWidth;
}

/** Logits of one image, uint8 [height, width, 3], and its calibrated probabilities; as the file itself computes them. */
export type RunExported = (pixels: Uint8Array) => {
  logits?: ArrayLike<number>;
  probabilities: ArrayLike<number>;
};

/** An output that is a sum of fewer products feels the rounding of each: vectors, depthwise filters, the first filters. */
const FEW = 32;

/** The bytes of a tensor, little endian; float16 where much is gained and no weight is beyond its range. */
export function storedTensor(
  { shape, data }: Pick<NamedTensor, 'shape' | 'data'>,
  width: WeightWidth,
): { bytes: Uint8Array; isHalf: boolean } {
  const halves =
    width === 'fp16' && shape.length > 1 && data.length > FEW * shape[0]! ? halfBytes(data) : undefined;
  return halves ? { bytes: halves, isHalf: true } : { bytes: bytesOf(data), isHalf: false };
}
