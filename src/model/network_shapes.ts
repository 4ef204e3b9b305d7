/** Shapes and parameters of a network, and what is refused: asked of the native side, which has the one table of layers. */
import { UserError } from '../base/errors.ts';
import { loadAddon } from './addon.ts';
import type { LayerShape, Network } from './network.ts';

/** A parameter tensor as PyTorch names and lays it out. */
export interface ParameterShape {
  name: string;
  shape: number[];
  /** False for running statistics. */
  trainable: boolean;
}

/** What {@link networkShapes} returns. */
export interface NetworkShapes {
  /** First the images, then the output of each layer. */
  layers: LayerShape[];
  /** In the order of the native side: layer by layer, weight before bias. */
  parameters: ParameterShape[];
  /** Multiplications with a weight for one image, of each layer. */
  multiplyAdds: number[];
}

/**
 * Shapes and parameters of a network, worked out by the native side without touching a device.
 * @throws UserError that names the field or the layer, counted from 1, when the network can't run
 */
export function networkShapes(network: Network): NetworkShapes {
  return plan(network);
}

function plan(description: unknown): NetworkShapes {
  const { planNetwork } = loadAddon();
  try {
    const { parameters, ...rest } = planNetwork(description);
    return {
      ...rest,
      parameters: parameters.map(({ name, shape, trainable }) => ({ name, shape, trainable })),
    };
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/** Floats in all parameters. */
export function parameterCount({ parameters }: NetworkShapes): number {
  return parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** Values that flow between the layers for one image. */
export function activationCount({ layers }: NetworkShapes): number {
  return layers.reduce((sum, { channels, height, width }) => sum + channels * height * width, 0);
}

/**
 * Checks a network description from outside, such as one from a file, field by field.
 * @throws UserError that names the field or the layer, counted from 1, when it is not a network that can run
 */
export function parseNetwork(value: unknown): Network {
  plan(value);
  return value as Network;
}
