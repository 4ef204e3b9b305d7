/** Why an image got its answer: which places of the last feature map spoke for it. */
import type { PlainGraph, PlainLayer } from '../plain_graph.ts';

/** One number for each place of a feature map, row by row; positive where it spoke for the answer. */
export interface HeatMap {
  height: number;
  width: number;
  values: Float32Array;
}

/** From the last feature map to the logits: value of that map, and the layers after it. */
interface Head {
  map: number;
  layers: { layer: PlainLayer; output: number }[];
}

/** Undefined where what comes after the last feature map is no plain chain of dense layers. */
function headOf({ layers }: PlainGraph): Head | undefined {
  const chain: Head['layers'] = [];
  for (let value = layers.length; value > 0; ) {
    const layer = layers[value - 1]!;
    const { kind } = layer.operation;
    chain.unshift({ layer, output: value });
    value = layer.inputs[0]!;
    if (kind === 'globalAvgPool' || (kind === 'flatten' && !layer.input.flat && layer.input.height > 1))
      return { map: value, layers: chain };
    if (kind !== 'dense' && kind !== 'relu' && kind !== 'relu6' && kind !== 'flatten') return undefined;
  }
  return undefined;
}

/** Values of the graph that {@link explain} reads; none where it can't explain. */
export function explainedValues(graph: PlainGraph): number[] {
  const head = headOf(graph);
  return head ? [head.map, ...head.layers.map(({ output }) => output)] : [];
}

/**
 * Activation times gradient at the last feature map, summed over its channels (HiResCAM; where a global average pool and
 * one dense layer follow, the class activation map). The gradient is that of the logit of the answer over the mean of
 * the others.
 * @param values as `runGraph` returns them, with those of {@link explainedValues} kept
 * @param answer a class
 */
export function explain(graph: PlainGraph, values: Float32Array[], answer: number): HeatMap | undefined {
  const head = headOf(graph);
  if (!head) return undefined;
  const classes = values.at(-1)!.length;
  let gradient = Float32Array.from({ length: classes }, (_, k) => (k === answer ? 1 : -1 / (classes - 1)));
  for (const { layer, output } of [...head.layers].reverse())
    gradient = backward(layer, values[output]!, gradient) as typeof gradient;
  const { height, width, channels } = head.layers[0]!.layer.input;
  const [map, area] = [values[head.map]!, height * width];
  const heat = new Float32Array(area);
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < area; i++) heat[i]! += map[c * area + i]! * gradient[c * area + i]!;
  return { height, width, values: heat };
}

/** The gradient by what a layer reads. */
function backward(
  { operation, input }: PlainLayer,
  output: Float32Array,
  gradient: Float32Array,
): Float32Array {
  switch (operation.kind) {
    case 'dense': {
      const { data, shape } = operation.weight;
      const result = new Float32Array(shape[1]!);
      for (let k = 0; k < gradient.length; k++)
        for (let i = 0; i < result.length; i++) result[i]! += gradient[k]! * data[k * result.length + i]!;
      return result;
    }
    case 'globalAvgPool': {
      const area = input.height * input.width;
      return Float32Array.from(
        { length: area * input.channels },
        (_, i) => gradient[Math.floor(i / area)]! / area,
      );
    }
    case 'relu':
      return gradient.map((value, i) => (output[i]! > 0 ? value : 0));
    case 'relu6':
      return gradient.map((value, i) => (output[i]! > 0 && output[i]! < 6 ? value : 0));
    default:
      return gradient;
  }
}
