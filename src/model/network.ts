/** The network as plain data. */
/** One number for both axes, or [height, width]. */
export type Size = number | [number, number];
/** One number for all sides, [vertical, horizontal], or [top, bottom, left, right]. */
export type Sides = number | [number, number] | [number, number, number, number];
/**
 * `same` is TensorFlow's rule: the output has the size of the input divided by the stride, rounded up; of an odd
 * number of pixels the larger half is at the bottom and right.
 */
export type Padding = Sides | 'same';

/** What every layer may have. */
interface Named {
  /** Each its own; `from` of later layers refers to it. */
  name?: string;
  /** The layer it reads, by name; default the one before. */
  from?: string;
}

/** What every layer with parameters has. */
interface Trained extends Named {
  /** Parameter prefix: "conv1" gives "conv1.weight" and "conv1.bias". */
  name: string;
  /** Its parameters are not trained, and batch norm uses its running statistics. */
  frozen?: boolean;
  /** Multiplies the learning rate of its parameters; default 1. */
  learningRateFactor?: number;
}

/**
 * A layer of a network. As in PyTorch unless given: stride 1 (of a pooling: the kernel size), padding 0, dilation 1,
 * groups 1, bias true, epsilon 1e-5, momentum 0.1 (the weight of the newest batch), `countIncludePad` true. A dropout
 * has a rate of 0 to 0.999.
 */
export type Layer =
  | (Trained & {
      type: 'conv2d';
      outChannels: number;
      kernelSize: Size;
      stride?: Size;
      padding?: Padding;
      dilation?: Size;
      groups?: number;
      bias?: boolean;
    })
  | (Trained & {
      type: 'batchNorm2d';
      epsilon?: number;
      momentum?: number;
      /** Training uses the running statistics without updating them; weight and bias are trained. */
      frozenStatistics?: boolean;
    })
  | (Named & { type: 'relu' | 'relu6' | 'globalAvgPool2d' | 'flatten' })
  | (Omit<Named, 'from'> & {
      type: 'add';
      /** The two layers whose outputs it adds, by name. */
      from: [string, string];
    })
  | (Named & { type: 'maxPool2d'; kernelSize: Size; stride?: Size; padding?: Padding })
  | (Named & {
      type: 'avgPool2d';
      kernelSize: Size;
      stride?: Size;
      padding?: Padding;
      countIncludePad?: boolean;
    })
  | (Trained & { type: 'dense'; outFeatures: number; bias?: boolean })
  | (Named & { type: 'dropout'; rate: number });

/** How an image of another size becomes the input's square. */
export type Fit = 'cover' | 'contain' | 'fill';

/** Everything predict needs besides the weights. JSON. */
export interface Network {
  input: { height: number; width: number; channels: 3; fit: Fit };
  /** (pixel / 255 - mean[c]) / std[c], the first thing on the device. */
  normalization: { mean: [number, number, number]; std: [number, number, number] };
  layers: Layer[];
  classNames: string[];
}

/** What flows between two layers, per image. After `flatten`: { channels: features, height: 1, width: 1, flat: true }. */
export interface LayerShape {
  channels: number;
  height: number;
  width: number;
  flat: boolean;
}

/** What a ready-made network is made for; see `presets.ts`. */
export interface PresetOptions {
  /** Side of the square input in pixels. */
  imageSize: number;
  classNames: string[];
  /** Default `cover`. */
  fit?: Fit;
}
