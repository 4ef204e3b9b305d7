/** The pretrained networks: what they are, and where their weights come from. */

/** Weights trained on ImageNet-1k, published on the hub as one safetensors file. */
export interface PretrainedModel {
  /** owner/name on the hub. */
  repository: string;
  licence: string;
  /** Of the file, about. */
  megabytes: number;
  /** Side in pixels that the network was trained at. */
  imageSize: number;
  /** Share of the ImageNet validation images that it gets right at that side. */
  imagenetAccuracy: number;
}

/** File of every repository below. */
export const WEIGHTS_FILE = 'model.safetensors';

// Sizes and accuracies: huggingface/pytorch-image-models, results/results-imagenet.csv, and the file pages of the hub.
export const pretrainedModels = {
  lite0: {
    repository: 'timm/tf_efficientnet_lite0.in1k',
    licence: 'Apache-2.0',
    megabytes: 19,
    imageSize: 224,
    imagenetAccuracy: 0.7485,
  },
  'mobilenetv4-small': {
    repository: 'timm/mobilenetv4_conv_small.e2400_r224_in1k',
    licence: 'Apache-2.0',
    megabytes: 15,
    imageSize: 224,
    imagenetAccuracy: 0.7376,
  },
  'mobilenetv4-medium': {
    repository: 'timm/mobilenetv4_conv_medium.e500_r256_in1k',
    licence: 'Apache-2.0',
    megabytes: 39,
    imageSize: 256,
    imagenetAccuracy: 0.7992,
  },
  resnet18: {
    repository: 'timm/resnet18.a1_in1k',
    licence: 'Apache-2.0',
    megabytes: 47,
    imageSize: 224,
    imagenetAccuracy: 0.715,
  },
} satisfies Record<string, PretrainedModel>;

/** Side of the smallest images that a pretrained network can take: it halves them five times. */
export const SMALLEST_PRETRAINED_SIZE = 32;

export type PretrainedName = keyof typeof pretrainedModels;

export function isPretrained(name: string): name is PretrainedName {
  return Object.hasOwn(pretrainedModels, name);
}

/** Names such as n01531178_goldfinch.jpg: those that the images of ImageNet have. */
const IMAGENET_NAME = /(^|[/#])n\d{8}([_./-]|$)/;
/** Fewer of the images say nothing. */
const LEAST_SHARE = 0.1;

/** A warning if the names of images suggest that the pretrained network was trained on them. */
export function seenRemark(names: string[]): string[] {
  const seen = names.filter((name) => IMAGENET_NAME.test(name)).length;
  if (seen === 0 || seen < LEAST_SHARE * names.length) return [];
  return [
    `${seen} of ${names.length} images have names as in ImageNet, on which the network was pretrained: on images that it has seen, scores are higher than on new ones`,
  ];
}

/** Fewer images of a class say little of it. */
const FEW_IMAGES = 10;
/** Classes that are named. */
const MOST_NAMED = 5;

/**
 * A sentence where classes have few images.
 * @param counts images of each class, validation included
 */
export function fewImagesRemark(classNames: string[], counts: number[]): string[] {
  const few = classNames
    .map((name, k) => ({ name, count: counts[k]! }))
    .filter(({ count }) => count < FEW_IMAGES);
  if (few.length === 0) return [];
  const named = few.slice(0, MOST_NAMED).map(({ name, count }) => `${name} (${count})`);
  const more = few.length > MOST_NAMED ? ` and ${few.length - MOST_NAMED} more` : '';
  return [
    `Classes with fewer than ${FEW_IMAGES} images: ${named.join(', ')}${more}; take what is said of them as a guess, and add images`,
  ];
}

/** A file of weights, and what is known of where it is from. */
export interface PretrainedWeights {
  /** On this disk. */
  path: string;
  sha256: string;
  /** As a person would find it: `hf:owner/name@commit` or the path that was given. */
  source: string;
  /** Absent for a file of the user's. */
  licence?: string;
}
