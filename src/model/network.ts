/** The network as plain data: layers, shapes, parameter names; what is refused, with the layer's number. */

/** One number for both axes, or [height, width]. */
export type Size = number | [number, number];
/** One number for all sides, [vertical, horizontal], or [top, bottom, left, right]. */
export type Padding = number | [number, number] | [number, number, number, number];

export type Layer =
  | {
      type: 'conv2d';
      /** Parameter prefix: "conv1" gives "conv1.weight" and "conv1.bias". */
      name: string;
      outChannels: number;
      kernelSize: Size;
      stride?: Size;
      padding?: Padding;
      dilation?: Size;
      groups?: number;
      bias?: boolean;
    }
  | { type: 'batchNorm2d'; name: string; epsilon?: number; momentum?: number }
  | { type: 'relu' }
  | { type: 'maxPool2d'; kernelSize: Size; stride?: Size; padding?: Padding }
  | { type: 'avgPool2d'; kernelSize: Size; stride?: Size; padding?: Padding; countIncludePad?: boolean }
  | { type: 'globalAvgPool2d' }
  | { type: 'flatten' }
  | { type: 'dense'; name: string; outFeatures: number; bias?: boolean }
  | { type: 'dropout'; rate: number };

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
