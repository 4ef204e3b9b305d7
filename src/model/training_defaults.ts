/** How a network is trained where no option says otherwise. */
import type { NetworkName } from './presets.ts';

export const optimizers = ['adamw', 'adam', 'sgd'] as const;

/** The settings of a training that depend on the network. */
export interface TrainingSettings {
  optimizer: (typeof optimizers)[number];
  /** At the peak of the schedule. */
  learningRate: number;
  weightDecay: number;
  labelSmoothing: number;
  /** Decay per step of a moving average of the weights; 0: none. */
  ema: number;
  /** Side of a grey square in each training image, as a share of the image's side; 0: none. */
  cutout: number;
}

const NONE = { labelSmoothing: 0, ema: 0, cutout: 0 };

/**
 * Usual values for small residual networks on CIFAR-10; they were not compared with others one by one.
 */
const RECIPES: Partial<Record<NetworkName, TrainingSettings>> = {
  'birbs-res': {
    optimizer: 'sgd',
    learningRate: 0.03,
    weightDecay: 5e-4,
    labelSmoothing: 0.1,
    ema: 0.999,
    cutout: 0.25,
  },
};

/**
 * What is given, and for the rest what suits the network. Rate and decay of a recipe are those of its optimizer:
 * with another one they are the usual ones of that.
 */
export function trainingSettings(name: NetworkName, given: Partial<TrainingSettings>): TrainingSettings {
  const recipe = RECIPES[name];
  const optimizer = given.optimizer ?? recipe?.optimizer ?? 'adamw';
  const { learningRate, weightDecay } = recipe?.optimizer === optimizer ? recipe : usual(optimizer);
  const { labelSmoothing, ema, cutout } = recipe ?? NONE;
  return {
    optimizer,
    learningRate: given.learningRate ?? learningRate,
    weightDecay: given.weightDecay ?? weightDecay,
    labelSmoothing: given.labelSmoothing ?? labelSmoothing,
    ema: given.ema ?? ema,
    cutout: given.cutout ?? cutout,
  };
}

function usual(optimizer: TrainingSettings['optimizer']) {
  return {
    learningRate: optimizer === 'sgd' ? 0.01 : 0.001,
    weightDecay: optimizer === 'adamw' ? 0.01 : 0,
  };
}
