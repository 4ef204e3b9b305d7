/** A network as a Core ML neural network classifier: one file that macOS 10.13, iOS 11 and everything newer loads. */
import { type ExportedModel, storedTensor } from '../exported_model.ts';
import type { NamedTensor, PlainLayer, PlainWindow } from '../plain_graph.ts';
import { encodeMessage, type Message } from '../protobuf.ts';
import {
  CoreMLModel,
  Flatten,
  type NeuralNetworkLayer,
  Pooling,
  Unary,
  type WeightParams,
} from './coreml_messages.ts';
import { describeCoreML, IMAGE } from './describe_coreml.ts';

type Layer = Message<typeof NeuralNetworkLayer>;

/** The first version, and the first with float16 weights. */
const SPECIFICATION = { fp32: 1, fp16: 2 } as const;

/** The bytes of the file in pieces. */
export function encodeCoreML(model: ExportedModel): Uint8Array[] {
  const { network, graph, calibration, width } = model;
  const layers: Layer[] = [];
  const add = (name: string, input: string[], rest: Layer) => {
    layers.push({ name, input, output: [name], ...rest });
    return name;
  };
  const { scaler, factors } = preprocessing(model);
  const image = factors
    ? add('normalized', [IMAGE], { scale: { shapeScale: [3], scale: { floatValue: bytesOf(factors) } } })
    : IMAGE;
  const values = [image];
  for (const [i, layer] of graph.layers.entries()) {
    // Names of layers are anything; numbers keep them apart from ours.
    const name = `${i + 1} ${layer.name}`;
    const input = layer.inputs.map((value) => values[value]!);
    if (layer.operation.kind !== 'relu6') {
      values.push(add(name, input, operationOf(layer, width)));
      continue;
    }
    // min(x, 6) as -max(-x, -6): there is no other way in the first versions.
    const below = { type: Unary.threshold, alpha: -6, shift: 0, scale: -1 };
    const bounded = add(`${name} bounded`, input, { unary: below });
    values.push(add(name, [bounded], { unary: { ...below, alpha: 0 } }));
  }
  const scaled = add('scaled logits', [values.at(-1)!], {
    activation: { linear: { alpha: 1 / calibration.temperature, beta: 0 } },
  });
  const softmax = add('softmax', [scaled], { softmax: {} });
  return encodeMessage(CoreMLModel, {
    specificationVersion: SPECIFICATION[width],
    description: describeCoreML(model),
    neuralNetworkClassifier: {
      layers,
      preprocessing: [{ featureName: IMAGE, scaler }],
      stringClassLabels: { vector: network.classNames },
      labelProbabilityLayerName: softmax,
    },
  });
}

/** (pixel / 255 - mean) / std as scale * pixel + bias; the scale is one for all channels, so another layer may follow. */
function preprocessing({ network: { normalization } }: ExportedModel) {
  const { mean, std } = normalization;
  const isOne = std.every((value) => value === std[0]);
  const scale = isOne ? std[0] : 1;
  const [redBias, greenBias, blueBias] = mean.map((value) => -value / scale);
  return {
    scaler: {
      channelScale: 1 / (255 * scale),
      redBias: redBias!,
      greenBias: greenBias!,
      blueBias: blueBias!,
    },
    factors: isOne ? undefined : Float32Array.from(std, (value) => 1 / value),
  };
}

function bytesOf(values: Float32Array): Uint8Array {
  return storedTensor({ shape: [values.length], data: values }, 'fp32').bytes;
}

function operationOf({ operation, input, output }: PlainLayer, width: ExportedModel['width']): Layer {
  const weights = (tensor: NamedTensor): Message<typeof WeightParams> => {
    const { bytes, isHalf } = storedTensor(tensor, width);
    return isHalf ? { float16Value: bytes } : { floatValue: bytes };
  };
  const withBias = (bias: NamedTensor | undefined) =>
    bias ? { hasBias: true, bias: weights(bias) } : { hasBias: false };
  switch (operation.kind) {
    case 'conv': {
      const { window, groups, weight, bias } = operation;
      return {
        convolution: {
          outputChannels: output.channels,
          kernelChannels: input.channels / groups,
          nGroups: groups,
          ...windowOf(window),
          dilationFactor: window.dilation,
          weights: weights(weight),
          ...withBias(bias),
        },
      };
    }
    case 'batchNorm': {
      const { weight, bias, running_mean, running_var } = operation.parameters;
      const statistics = { mean: weights(running_mean), variance: weights(running_var) };
      const { epsilon } = operation;
      const channels = input.channels;
      return { batchnorm: { channels, epsilon, gamma: weights(weight), beta: weights(bias), ...statistics } };
    }
    case 'maxPool':
      return { pooling: { type: Pooling.max, ...windowOf(operation.window) } };
    case 'avgPool': {
      const avgPoolExcludePadding = !operation.countIncludePad;
      return { pooling: { type: Pooling.average, ...windowOf(operation.window), avgPoolExcludePadding } };
    }
    case 'globalAvgPool':
      return { pooling: { type: Pooling.average, globalPooling: true } };
    case 'dense': {
      const { weight, bias } = operation;
      const sizes = { inputChannels: input.channels, outputChannels: output.channels };
      return { innerProduct: { ...sizes, weights: weights(weight), ...withBias(bias) } };
    }
    case 'relu':
      return { activation: { relu: {} } };
    case 'add':
      return { add: {} };
    case 'flatten':
      return { flatten: { mode: Flatten.channelFirst } };
    default:
      throw new Error(`${operation.kind} is written as other layers`);
  }
}

function windowOf({ kernel, stride, padding: [top, bottom, left, right] }: PlainWindow) {
  const borderAmounts = [
    { startEdgeSize: top, endEdgeSize: bottom },
    { startEdgeSize: left, endEdgeSize: right },
  ];
  return { kernelSize: kernel, stride, valid: { paddingAmounts: { borderAmounts } } };
}
