/** Which parts of an image speak for a class: exact where all after the last pooling is taken at once for the whole image. */
import type { NativeSession, ParameterInfo } from './addon.ts';
import type { Layer, Network } from './network.ts';

/** What each place of an image adds to a difference of two logits. */
export interface ClassActivation {
  height: number;
  width: number;
  /** float32 [height, width], in logits: their mean and `rest` give the difference. Above 0 for the class. */
  values: Float32Array;
  /** What is the same for every image of these units: biases. */
  rest: number;
}

/** How a network's answers are explained. */
export interface Explainer {
  /** Layer whose output is pooled; ask the session for its `features`. */
  layer: string;
  /**
   * @param map what `layer` gives for one image, float32 [channels, height, width]
   * @param label the class in question
   * @param other the one that it is compared with
   */
  explain(map: Float32Array, label: number, other: number): ClassActivation;
}

/** The layer before `globalAvgPool2d`, and those behind it. */
interface Tail {
  layer: string;
  /** Of its output. */
  channels: number;
  layers: Layer[];
}

/**
 * Class activation maps (Zhou et al. 2016) of a network that ends in global average pooling. Layers behind the pooling
 * are dense ones, 1x1 convolutions, batch norms and (clipped) ReLUs; for one image they are linear.
 * @param parameters of the session, in the order of `values`
 * @returns undefined for a network of another kind
 */
export function explainerOf(
  network: Network,
  parameters: ParameterInfo[],
  values: Float32Array,
): Explainer | undefined {
  const tail = tailOf(network, parameters);
  if (!tail) return undefined;
  const tensor = (name: string): Float32Array | undefined => {
    const info = parameters.find((one) => one.name === name);
    return info && values.subarray(info.offset, info.offset + info.size);
  };
  const { layer, channels } = tail;
  const steps = tail.layers.map((one) => linearStep(one, tensor));
  return {
    layer,
    explain(map, label, other) {
      const places = map.length / channels;
      const pooled = Float32Array.from({ length: channels }, (_, c) => {
        let sum = 0;
        for (let i = 0; i < places; i++) sum += map[c * places + i]!;
        return sum / places;
      });
      let signal: Float32Array = pooled;
      const backward = steps.map((step) => {
        const { output, back } = step(signal);
        signal = output;
        return back;
      });
      let weights: Float32Array = new Float32Array(signal.length);
      weights[label]! += 1;
      weights[other]! -= 1;
      const difference = signal[label]! - signal[other]!;
      for (const back of backward.reverse()) weights = back(weights);
      const sums = new Float32Array(places);
      for (let c = 0; c < channels; c++)
        for (let i = 0; i < places; i++) sums[i]! += weights[c]! * map[c * places + i]!;
      const mean = sums.reduce((a, b) => a + b, 0) / places;
      const [height, width] = sidesOf(network, places);
      return { height, width, values: sums, rest: difference - mean };
    },
  };
}

/** {@link ClassActivation}s of a few images, for each the class and the one to compare it with. */
export async function classActivations(
  session: NativeSession,
  explainer: Explainer,
  images: Uint8Array,
  questions: { label: number; other: number }[],
): Promise<ClassActivation[]> {
  const count = questions.length;
  const maps = await session.features(images, count, explainer.layer);
  const size = maps.length / count;
  return questions.map(({ label, other }, i) =>
    explainer.explain(maps.subarray(i * size, (i + 1) * size), label, other),
  );
}

/** The classes to ask about: the guess, and the best of the others. */
export function questionOf(logits: ArrayLike<number>, label: number): { label: number; other: number } {
  let other = label === 0 ? 1 : 0;
  for (let k = 0; k < logits.length; k++) if (k !== label && logits[k]! > logits[other]!) other = k;
  return { label, other };
}

function tailOf({ layers }: Network, parameters: ParameterInfo[]): Tail | undefined {
  const pool = layers.findLastIndex(({ type }) => type === 'globalAvgPool2d');
  if (pool < 1) return undefined;
  const { from } = layers[pool]!;
  const layer = typeof from === 'string' ? from : layers[pool - 1]!.name;
  const after = layers.slice(pool + 1);
  const isLinear = after.every((one) => {
    const known = ['flatten', 'dropout', 'relu', 'relu6', 'dense', 'conv2d', 'batchNorm2d'].includes(
      one.type,
    );
    return known && one.from === undefined && (one.type !== 'conv2d' || isPointwise(one, parameters));
  });
  const first = after.find(
    (one) => 'name' in one && parameters.some(({ name }) => name === `${one.name}.weight`),
  );
  const shape = parameters.find(({ name }) => name === `${first?.name}.weight`)?.shape;
  if (layer === undefined || !isLinear || shape === undefined) return undefined;
  return { layer, channels: shape.length > 1 ? shape[1]! : shape[0]!, layers: after };
}

function isPointwise({ name }: Layer, parameters: ParameterInfo[]): boolean {
  const shape = parameters.find((one) => one.name === `${name}.weight`)!.shape;
  return shape[2] === 1 && shape[3] === 1;
}

/** Of a map of a square image a square. */
function sidesOf({ input }: Network, places: number): [number, number] {
  const height = Math.round(Math.sqrt((places * input.height) / input.width));
  return [height, places / height];
}

/** What a layer makes of its input, and how its output's weights become those of its input, for this input. */
type Step = (input: Float32Array) => { output: Float32Array; back: (weights: Float32Array) => Float32Array };

function linearStep(layer: Layer, tensor: (name: string) => Float32Array | undefined): Step {
  switch (layer.type) {
    case 'relu':
    case 'relu6': {
      const top = layer.type === 'relu6' ? 6 : Number.POSITIVE_INFINITY;
      return (input) => ({
        output: input.map((x) => Math.min(Math.max(x, 0), top)),
        back: (weights) => weights.map((w, i) => (input[i]! > 0 && input[i]! < top ? w : 0)),
      });
    }
    case 'batchNorm2d': {
      const [weight, bias, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
        (name) => tensor(`${layer.name}.${name}`)!,
      );
      const scale = weight!.map((w, i) => w / Math.sqrt(variance![i]! + (layer.epsilon ?? 1e-5)));
      return (input) => ({
        output: input.map((x, i) => (x - mean![i]!) * scale[i]! + bias![i]!),
        back: (weights) => weights.map((w, i) => w * scale[i]!),
      });
    }
    case 'conv2d':
    case 'dense':
      return productStep(tensor(`${layer.name}.weight`)!, tensor(`${layer.name}.bias`));
    default:
      return (input) => ({ output: input, back: (weights) => weights });
  }
}

/** @param matrix float32 [outputs, inputs] */
function productStep(matrix: Float32Array, bias: Float32Array | undefined): Step {
  return (input) => {
    const inputs = input.length;
    const output = new Float32Array(matrix.length / inputs);
    for (let k = 0; k < output.length; k++) {
      let sum = bias?.[k] ?? 0;
      for (let j = 0; j < inputs; j++) sum += matrix[k * inputs + j]! * input[j]!;
      output[k] = sum;
    }
    const back = (weights: Float32Array) => {
      const result = new Float32Array(inputs);
      for (let k = 0; k < weights.length; k++) {
        if (weights[k] === 0) continue;
        for (let j = 0; j < inputs; j++) result[j]! += weights[k]! * matrix[k * inputs + j]!;
      }
      return result;
    };
    return { output, back };
  };
}
