/** Networks with pretrained weights: sizes that timm and torchvision give for them. */
import { expect, test } from 'vitest';
import { networkShapes, parameterCount } from '../../src/model/network_shapes.ts';
import { lite0, mobilenetv4Medium, mobilenetv4Small, resnet18 } from '../../src/model/pretrained_networks.ts';

const classNames = Array.from({ length: 1000 }, (_, i) => `class ${i}`);

// Weights and running statistics: sum(p.numel()) over parameters and float buffers of timm 1.0.31; multiply-adds of its
// results table, in millions.
test.each([
  [lite0, 224, 4_694_024, 247, 385],
  [mobilenetv4Small, 224, 3_799_112, 232, 186],
  [mobilenetv4Medium, 256, 9_783_416, 387, 1080],
  [resnet18, 224, 11_699_112, 102, 1814],
])('%o has the size that is published', (build, imageSize, weights, tensors, millions) => {
  const shapes = networkShapes(build({ imageSize, classNames }));
  expect(parameterCount(shapes)).toBe(weights);
  expect(shapes.parameters.length).toBe(tensors);
  // The table has three digits.
  const found = shapes.multiplyAdds.reduce((a, b) => a + b, 0) / 1e6;
  expect(Math.abs(found / millions - 1)).toBeLessThan(0.005);
});

test.each([lite0, mobilenetv4Small, mobilenetv4Medium, resnet18])(
  '%o builds at any size from 32 pixels on',
  (build) => {
    for (const imageSize of [32, 97, 160, 321]) {
      const { layers } = networkShapes(build({ imageSize, classNames: ['a', 'b'] }));
      expect(layers.at(-1)).toMatchObject({ channels: 2, height: 1, width: 1 });
    }
  },
);
