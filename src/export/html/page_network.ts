/**
 * The forward pass in plain JavaScript: part of the page that `export --format html` writes, and what runs every exported
 * file when it is checked. Values are float32 of one image in the order C, H, W; sums are in float64.
 */
import type { LayerShape, Network } from '../../model/network.ts';
import type { PlainGraph, PlainLayer, PlainWindow } from '../plain_graph.ts';

/**
 * Pixels as the first layer reads them: (pixel / 255 - mean) / std.
 * @param pixels uint8 [height, width, 3], or 4 with an alpha that is ignored
 */
export function normalizePixels(
  pixels: ArrayLike<number>,
  { height, width }: { height: number; width: number },
  { mean, std }: Network['normalization'],
): Float32Array {
  const area = height * width;
  const step = pixels.length / area;
  const values = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < area; i++) values[c * area + i] = (pixels[i * step + c]! / 255 - mean[c]!) / std[c]!;
  return values;
}

/**
 * The values of all layers: 0 is the image, n + 1 the output of layer n; the last are the logits.
 * @param image normalised
 * @param kept values that are wanted besides the last; others are empty after their last reader
 */
export function runGraph({ layers }: PlainGraph, image: Float32Array, kept: number[] = []): Float32Array[] {
  const lastReader = new Map(layers.flatMap(({ inputs }, i) => inputs.map((value) => [value, i] as const)));
  const values = [image];
  for (const [i, layer] of layers.entries()) {
    values.push(
      runLayer(
        layer,
        layer.inputs.map((value) => values[value]!),
      ),
    );
    for (const value of layer.inputs)
      if (lastReader.get(value) === i && !kept.includes(value)) values[value] = new Float32Array();
  }
  return values;
}

function runLayer({ operation, input, output }: PlainLayer, inputs: Float32Array[]): Float32Array {
  const x = inputs[0]!;
  switch (operation.kind) {
    case 'conv': {
      const { window, groups, weight, bias } = operation;
      return convolve(x, input, output, window, groups, weight.data, bias?.data);
    }
    case 'batchNorm': {
      const { weight, bias, running_mean, running_var } = operation.parameters;
      const statistics = { mean: running_mean.data, variance: running_var.data, epsilon: operation.epsilon };
      return batchNorm(x, input, weight.data, bias.data, statistics);
    }
    case 'maxPool':
      return maxPool(x, input, output, operation.window);
    case 'avgPool':
      return avgPool(x, input, output, operation.window, operation.countIncludePad);
    case 'globalAvgPool':
      return globalAvgPool(x, input);
    case 'dense':
      return dense(x, operation.weight.data, operation.bias?.data);
    case 'relu':
      return clamp(x, 0, Number.POSITIVE_INFINITY);
    case 'relu6':
      return clamp(x, 0, 6);
    case 'add':
      return add(x, inputs[1]!);
    case 'flatten':
      return x;
  }
}

/** @param weight [out, in / groups, kernel height, kernel width] */
export function convolve(
  x: Float32Array,
  input: LayerShape,
  output: LayerShape,
  window: PlainWindow,
  groups: number,
  weight: Float32Array,
  bias?: Float32Array,
): Float32Array {
  if (groups === input.channels && groups === output.channels)
    return depthwise(x, input, output, window, weight, bias);
  const [inputs, outputs] = [input.channels / groups, output.channels / groups];
  const depth = inputs * window.kernel[0] * window.kernel[1];
  const area = output.height * output.width;
  const y = new Float32Array(output.channels * area);
  // What some output pixels see at a time, as much as a processor's nearest cache holds.
  const most = Math.min(area, 2 * Math.max(1, Math.floor(8192 / depth)));
  const seen = new Float64Array(depth * (most + 1));
  for (let g = 0; g < groups; g++) {
    for (let from = 0; from < area; from += most) {
      const count = Math.min(most, area - from);
      gather(x, input, output, window, [g * inputs, inputs], [from, count], seen);
      multiply(seen, depth, [from, count], weight, bias, [g * outputs, outputs], y, area);
    }
  }
  return y;
}

/** What each of `count` output pixels sees, in pairs of pixels: [count / 2, depth, 2]. */
function gather(
  x: Float32Array,
  { height, width }: LayerShape,
  output: LayerShape,
  { kernel, stride, dilation, padding }: PlainWindow,
  [first, channels]: [number, number],
  [from, count]: [number, number],
  seen: Float64Array,
): void {
  const depth = channels * kernel[0] * kernel[1];
  for (let i = 0; i < count; i++) {
    const top = Math.floor((from + i) / output.width) * stride[0] - padding[0];
    const left = ((from + i) % output.width) * stride[1] - padding[2];
    let at = (i >> 1) * depth * 2 + (i & 1);
    for (let c = first; c < first + channels; c++) {
      for (let ky = 0; ky < kernel[0]; ky++) {
        const row = top + ky * dilation[0];
        const start = (c * height + row) * width;
        for (let kx = 0; kx < kernel[1]; kx++) {
          const column = left + kx * dilation[1];
          const isInside = row >= 0 && row < height && column >= 0 && column < width;
          seen[at] = isInside ? x[start + column]! : 0;
          at += 2;
        }
      }
    }
  }
}

/** Four output channels by two pixels at a time: their sums stay in registers. */
function multiply(
  seen: Float64Array,
  depth: number,
  [from, count]: [number, number],
  weight: Float32Array,
  bias: Float32Array | undefined,
  [first, channels]: [number, number],
  y: Float32Array,
  area: number,
): void {
  const last = first + channels - 1;
  for (let c = first; c <= last; c += 4) {
    // Past the last channel, it is computed again.
    const [c1, c2, c3] = [Math.min(c + 1, last), Math.min(c + 2, last), Math.min(c + 3, last)];
    const [w0, w1, w2, w3] = [c * depth, c1 * depth, c2 * depth, c3 * depth];
    const b0 = bias ? bias[c]! : 0;
    const b1 = bias ? bias[c1]! : 0;
    const b2 = bias ? bias[c2]! : 0;
    const b3 = bias ? bias[c3]! : 0;
    for (let i = 0; i < count; i += 2) {
      let at = i * depth;
      let [s00, s01, s10, s11] = [b0, b0, b1, b1];
      let [s20, s21, s30, s31] = [b2, b2, b3, b3];
      for (let k = 0; k < depth; k++) {
        const left = seen[at]!;
        const right = seen[at + 1]!;
        at += 2;
        const f0 = weight[w0 + k]!;
        const f1 = weight[w1 + k]!;
        const f2 = weight[w2 + k]!;
        const f3 = weight[w3 + k]!;
        s00 += f0 * left;
        s01 += f0 * right;
        s10 += f1 * left;
        s11 += f1 * right;
        s20 += f2 * left;
        s21 += f2 * right;
        s30 += f3 * left;
        s31 += f3 * right;
      }
      const place = from + i;
      y[c * area + place] = s00;
      y[c1 * area + place] = s10;
      y[c2 * area + place] = s20;
      y[c3 * area + place] = s30;
      if (i + 1 === count) continue;
      y[c * area + place + 1] = s01;
      y[c1 * area + place + 1] = s11;
      y[c2 * area + place + 1] = s21;
      y[c3 * area + place + 1] = s31;
    }
  }
}

/** A filter of its own for each channel. */
function depthwise(
  x: Float32Array,
  { channels, height, width }: LayerShape,
  output: LayerShape,
  { kernel, stride, dilation, padding }: PlainWindow,
  weight: Float32Array,
  bias?: Float32Array,
): Float32Array {
  const y = new Float32Array(channels * output.height * output.width);
  const sums = new Float64Array(output.width);
  const [taps, step] = [kernel[0] * kernel[1], stride[1]];
  for (let c = 0; c < channels; c++) {
    for (let oy = 0; oy < output.height; oy++) {
      sums.fill(bias ? bias[c]! : 0);
      for (let ky = 0; ky < kernel[0]; ky++) {
        const row = oy * stride[0] - padding[0] + ky * dilation[0];
        if (row < 0 || row >= height) continue;
        for (let kx = 0; kx < kernel[1]; kx++) {
          const offset = kx * dilation[1] - padding[2];
          const from = Math.max(0, Math.ceil(-offset / step));
          const to = Math.min(output.width, Math.floor((width - 1 - offset) / step) + 1);
          const start = (c * height + row) * width + offset;
          const factor = weight[c * taps + ky * kernel[1] + kx]!;
          for (let ox = from; ox < to; ox++) sums[ox]! += factor * x[start + ox * step]!;
        }
      }
      y.set(sums, (c * output.height + oy) * output.width);
    }
  }
  return y;
}

/** Of each channel: (x - mean) / sqrt(variance + epsilon) * weight + bias. */
export function batchNorm(
  x: Float32Array,
  { channels, height, width }: LayerShape,
  weight: Float32Array,
  bias: Float32Array,
  { mean, variance, epsilon }: { mean: Float32Array; variance: Float32Array; epsilon: number },
): Float32Array {
  const area = height * width;
  const y = new Float32Array(x.length);
  for (let c = 0; c < channels; c++) {
    const factor = weight[c]! / Math.sqrt(variance[c]! + epsilon);
    for (let i = c * area; i < (c + 1) * area; i++) y[i] = (x[i]! - mean[c]!) * factor + bias[c]!;
  }
  return y;
}

export function maxPool(
  x: Float32Array,
  input: LayerShape,
  output: LayerShape,
  window: PlainWindow,
): Float32Array {
  return slide(input, output, window, (from, rows, columns) => {
    let largest = Number.NEGATIVE_INFINITY;
    for (let row = 0; row < rows; row++)
      for (let i = from + row * input.width; i < from + row * input.width + columns; i++)
        if (x[i]! > largest) largest = x[i]!;
    return largest;
  });
}

/** @param countIncludePad whether the padding counts in the mean */
export function avgPool(
  x: Float32Array,
  input: LayerShape,
  output: LayerShape,
  window: PlainWindow,
  countIncludePad: boolean,
): Float32Array {
  const all = window.kernel[0] * window.kernel[1];
  return slide(input, output, window, (from, rows, columns) => {
    let sum = 0;
    for (let row = 0; row < rows; row++)
      for (let i = from + row * input.width; i < from + row * input.width + columns; i++) sum += x[i]!;
    return sum / (countIncludePad ? all : rows * columns);
  });
}

/** Slides a window over each channel; `of` gets the position of the part that lies in the image, and its size. */
function slide(
  { channels, height, width }: LayerShape,
  output: LayerShape,
  { kernel, stride, padding }: PlainWindow,
  of: (from: number, rows: number, columns: number) => number,
): Float32Array {
  const y = new Float32Array(channels * output.height * output.width);
  let place = 0;
  for (let c = 0; c < channels; c++) {
    for (let oy = 0; oy < output.height; oy++) {
      const row = oy * stride[0] - padding[0];
      const [top, bottom] = [Math.max(0, row), Math.min(height, row + kernel[0])];
      for (let ox = 0; ox < output.width; ox++) {
        const column = ox * stride[1] - padding[2];
        const [left, right] = [Math.max(0, column), Math.min(width, column + kernel[1])];
        y[place] = of((c * height + top) * width + left, bottom - top, right - left);
        place += 1;
      }
    }
  }
  return y;
}

export function globalAvgPool(x: Float32Array, { channels, height, width }: LayerShape): Float32Array {
  const area = height * width;
  const y = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = c * area; i < (c + 1) * area; i++) sum += x[i]!;
    y[c] = sum / area;
  }
  return y;
}

/** @param weight [outputs, inputs] */
export function dense(x: Float32Array, weight: Float32Array, bias?: Float32Array): Float32Array {
  const inputs = x.length;
  const y = new Float32Array(weight.length / inputs);
  for (let k = 0; k < y.length; k++) {
    let sum = bias ? bias[k]! : 0;
    for (let i = 0; i < inputs; i++) sum += x[i]! * weight[k * inputs + i]!;
    y[k] = sum;
  }
  return y;
}

export function clamp(x: Float32Array, low: number, high: number): Float32Array {
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) y[i] = x[i]! < low ? low : x[i]! > high ? high : x[i]!;
  return y;
}

export function add(x: Float32Array, y: Float32Array): Float32Array {
  const sum = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) sum[i] = x[i]! + y[i]!;
  return sum;
}

/** Softmax of the logits over the temperature. */
export function probabilitiesOfOne(logits: ArrayLike<number>, temperature: number): number[] {
  const scaled = Array.from(logits, (value) => value / temperature);
  const largest = Math.max(...scaled);
  const shares = scaled.map((value) => Math.exp(value - largest));
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((share) => share / sum);
}
