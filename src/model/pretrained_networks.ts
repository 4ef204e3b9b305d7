/** The networks that have pretrained weights, with the layer names of timm and torchvision: their files load as they are. */
import type { Fit, Layer, Network, PresetOptions } from './network.ts';

/** What training does with the layers below the head. */
export interface BackboneOptions extends PresetOptions {
  /**
   * `frozen`: they are not trained; `tuned`: they are trained at a tenth of the rate, their batch norms with the running
   * statistics of the pretrained weights. Default `frozen`.
   */
  backbone?: 'frozen' | 'tuned';
}

/** Of the rate of the head. */
const TUNED_RATE = 0.1;

interface ConvOptions {
  stride?: number;
  groups?: number;
  padding?: number | 'same';
}

/** Builds a network layer by layer; each reads the one before unless it says otherwise. */
class Builder {
  readonly layers: Layer[] = [];
  readonly #training: { frozen: true } | { learningRateFactor: number };
  readonly #epsilon: number;

  constructor({ backbone = 'frozen' }: BackboneOptions, epsilon: number) {
    this.#training = backbone === 'frozen' ? { frozen: true } : { learningRateFactor: TUNED_RATE };
    this.#epsilon = epsilon;
  }

  /** Name of the last layer, for those that read it later. */
  get last(): string {
    return this.layers.at(-1)!.name!;
  }

  conv(
    name: string,
    outChannels: number,
    kernelSize: number,
    { stride = 1, groups = 1, padding = Math.floor(kernelSize / 2) }: ConvOptions = {},
    from?: string,
  ): this {
    const read = from === undefined ? {} : { from };
    this.layers.push({
      type: 'conv2d',
      name,
      outChannels,
      kernelSize,
      stride,
      padding,
      groups,
      bias: false,
      ...this.#training,
      ...read,
    });
    return this;
  }

  norm(name: string): this {
    const statistics = 'frozen' in this.#training ? {} : { frozenStatistics: true };
    this.layers.push({
      type: 'batchNorm2d',
      name,
      epsilon: this.#epsilon,
      ...this.#training,
      ...statistics,
    });
    return this;
  }

  activation(type: 'relu' | 'relu6', name: string): this {
    this.layers.push({ type, name });
    return this;
  }

  add(name: string, other: string): this {
    this.layers.push({ type: 'add', name, from: [this.last, other] });
    return this;
  }

  pool(): this {
    this.layers.push({ type: 'globalAvgPool2d', name: 'global_pool' });
    return this;
  }

  head(name: string, classes: number, dropout: number): this {
    this.layers.push(
      { type: 'flatten', name: 'flatten' },
      { type: 'dropout', name: 'dropout', rate: dropout },
      { type: 'dense', name, outFeatures: classes },
    );
    return this;
  }

  network(
    { imageSize, classNames, fit = 'cover' }: { imageSize: number; classNames: string[]; fit?: Fit },
    normalization: Network['normalization'],
  ): Network {
    const input = { height: imageSize, width: imageSize, channels: 3, fit } as const;
    return { input, normalization, layers: this.layers, classNames };
  }
}

/** Of Google's own EfficientNets. */
const HALVES: Network['normalization'] = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
/** Of the images of ImageNet. */
const IMAGENET: Network['normalization'] = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Stages of EfficientNet-Lite0: kernel, stride of the first block, expansion, channels, blocks. */
const LITE0 = [
  [3, 1, 1, 16, 1],
  [3, 2, 6, 24, 2],
  [5, 2, 6, 40, 2],
  [3, 2, 6, 80, 3],
  [5, 1, 6, 112, 3],
  [5, 2, 6, 192, 4],
  [3, 1, 6, 320, 1],
] as const;

/** EfficientNet-Lite0, with the names of timm's `tf_efficientnet_lite0`; 1,280 features. */
export function lite0(options: BackboneOptions): Network {
  const net = new Builder(options, 1e-3);
  net.conv('conv_stem', 32, 3, { stride: 2, padding: 'same' }).norm('bn1').activation('relu6', 'act1');
  let channels = 32;
  for (const [stage, [kernel, firstStride, expansion, out, blocks]] of LITE0.entries()) {
    for (let index = 0; index < blocks; index++) {
      const name = `blocks.${stage}.${index}`;
      const stride = index === 0 ? firstStride : 1;
      const input = net.last;
      const wide = channels * expansion;
      const [depthwise, project] = expansion === 1 ? ['bn1', 'bn2'] : ['bn2', 'bn3'];
      if (expansion > 1)
        net.conv(`${name}.conv_pw`, wide, 1).norm(`${name}.bn1`).activation('relu6', `${name}.act1`);
      net
        .conv(`${name}.conv_dw`, wide, kernel, { stride, groups: wide, padding: 'same' })
        .norm(`${name}.${depthwise}`)
        .activation('relu6', `${name}.act2`)
        .conv(`${name}.${expansion === 1 ? 'conv_pw' : 'conv_pwl'}`, out, 1)
        .norm(`${name}.${project}`);
      if (stride === 1 && channels === out) net.add(`${name}.add`, input);
      channels = out;
    }
  }
  net.conv('conv_head', 1280, 1).norm('bn2').activation('relu6', 'act2').pool();
  return net.head('classifier', options.classNames.length, 0.2).network(options, HALVES);
}

/** A universal inverted bottleneck: channels, kernels before and in the middle (0: none), expanded channels, stride. */
type Bottleneck = readonly [number, number, number, number, number?];

const V4_SMALL: readonly (readonly Bottleneck[])[] = [
  [
    [96, 5, 5, 192, 2],
    [96, 0, 3, 192],
    [96, 0, 3, 192],
    [96, 0, 3, 192],
    [96, 0, 3, 192],
    [96, 3, 0, 384],
  ],
  [
    [128, 3, 3, 576, 2],
    [128, 5, 5, 512],
    [128, 0, 5, 512],
    [128, 0, 5, 384],
    [128, 0, 3, 512],
    [128, 0, 3, 512],
  ],
];

const V4_MEDIUM: readonly (readonly Bottleneck[])[] = [
  [
    [80, 3, 5, 192, 2],
    [80, 3, 3, 160],
  ],
  [
    [160, 3, 5, 480, 2],
    [160, 3, 3, 640],
    [160, 3, 3, 640],
    [160, 3, 5, 640],
    [160, 3, 3, 640],
    [160, 3, 0, 640],
    [160, 0, 0, 320],
    [160, 3, 0, 640],
  ],
  [
    [256, 5, 5, 960, 2],
    [256, 5, 5, 1024],
    [256, 3, 5, 1024],
    [256, 3, 5, 1024],
    [256, 0, 0, 1024],
    [256, 3, 0, 1024],
    [256, 3, 5, 512],
    [256, 5, 5, 1024],
    [256, 0, 0, 1024],
    [256, 0, 0, 1024],
    [256, 5, 0, 512],
  ],
];

/** MobileNetV4-conv-small, with the names of timm's `mobilenetv4_conv_small`; 1,280 features. */
export function mobilenetv4Small(options: BackboneOptions): Network {
  const net = new Builder(options, 1e-5);
  net.conv('conv_stem', 32, 3, { stride: 2 }).norm('bn1').activation('relu', 'act1');
  for (const [name, out, kernel, stride] of [
    ['blocks.0.0', 32, 3, 2],
    ['blocks.0.1', 32, 1, 1],
    ['blocks.1.0', 96, 3, 2],
    ['blocks.1.1', 64, 1, 1],
  ] as const)
    net.conv(`${name}.conv`, out, kernel, { stride }).norm(`${name}.bn1`).activation('relu', `${name}.act`);
  addBottlenecks(net, V4_SMALL, 2, 64);
  return endV4(net, options);
}

/** MobileNetV4-conv-medium, with the names of timm's `mobilenetv4_conv_medium`; 1,280 features. */
export function mobilenetv4Medium(options: BackboneOptions): Network {
  const net = new Builder(options, 1e-5);
  net.conv('conv_stem', 32, 3, { stride: 2 }).norm('bn1').activation('relu', 'act1');
  net.conv('blocks.0.0.conv_exp', 128, 3, { stride: 2 }).norm('blocks.0.0.bn1');
  net.activation('relu', 'blocks.0.0.act').conv('blocks.0.0.conv_pwl', 48, 1).norm('blocks.0.0.bn2');
  addBottlenecks(net, V4_MEDIUM, 1, 48);
  return endV4(net, options);
}

function addBottlenecks(
  net: Builder,
  stages: readonly (readonly Bottleneck[])[],
  firstStage: number,
  before: number,
): void {
  let channels = before;
  for (const [stage, blocks] of stages.entries()) {
    for (const [index, [out, start, middle, wide, stride = 1]] of blocks.entries()) {
      const name = `blocks.${firstStage + stage}.${index}`;
      const input = net.last;
      if (start > 0)
        net.conv(`${name}.dw_start.conv`, channels, start, { groups: channels }).norm(`${name}.dw_start.bn`);
      net.conv(`${name}.pw_exp.conv`, wide, 1).norm(`${name}.pw_exp.bn`);
      net.activation('relu', `${name}.pw_exp.act`);
      if (middle > 0) {
        net.conv(`${name}.dw_mid.conv`, wide, middle, { stride, groups: wide });
        net.norm(`${name}.dw_mid.bn`).activation('relu', `${name}.dw_mid.act`);
      }
      net.conv(`${name}.pw_proj.conv`, out, 1).norm(`${name}.pw_proj.bn`);
      if (stride === 1 && channels === out) net.add(`${name}.add`, input);
      channels = out;
    }
  }
}

/** The pooling comes before the last convolution. */
function endV4(net: Builder, options: BackboneOptions): Network {
  net.conv('blocks.4.0.conv', 960, 1).norm('blocks.4.0.bn1').activation('relu', 'blocks.4.0.act').pool();
  net.conv('conv_head', 1280, 1).norm('norm_head').activation('relu', 'act2');
  return net.head('classifier', options.classNames.length, 0.2).network(options, IMAGENET);
}

/** ResNet-18, with the names of torchvision and timm; 512 features. */
export function resnet18(options: BackboneOptions): Network {
  const net = new Builder(options, 1e-5);
  net.conv('conv1', 64, 7, { stride: 2 }).norm('bn1').activation('relu', 'act1');
  net.layers.push({ type: 'maxPool2d', name: 'maxpool', kernelSize: 3, stride: 2, padding: 1 });
  for (const [stage, channels] of [64, 128, 256, 512].entries()) {
    for (const index of [0, 1]) {
      const name = `layer${stage + 1}.${index}`;
      const stride = stage > 0 && index === 0 ? 2 : 1;
      const input = net.last;
      let shortcut = input;
      if (stride === 2) {
        net.conv(`${name}.downsample.0`, channels, 1, { stride }).norm(`${name}.downsample.1`);
        shortcut = net.last;
      }
      net.conv(`${name}.conv1`, channels, 3, { stride }, input).norm(`${name}.bn1`);
      net.activation('relu', `${name}.act1`);
      net.conv(`${name}.conv2`, channels, 3).norm(`${name}.bn2`);
      net.add(`${name}.add`, shortcut).activation('relu', `${name}.act2`);
    }
  }
  net.pool();
  return net.head('fc', options.classNames.length, 0).network(options, IMAGENET);
}
