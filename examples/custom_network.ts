/** A network of your own, trained step by step on pixels from memory: npx tsx examples/custom_network.ts */
import { loadAddon, type Network, networkShapes, ops } from 'birbs-metal';

const network: Network = {
  input: { height: 16, width: 16, channels: 3, fit: 'cover' },
  normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
  layers: [
    { type: 'conv2d', name: 'stem', outChannels: 8, kernelSize: 3, padding: 1, bias: false },
    { type: 'batchNorm2d', name: 'norm' },
    { type: 'relu', name: 'first' },
    { type: 'conv2d', name: 'block', outChannels: 8, kernelSize: 3, padding: 1 },
    { type: 'add', from: ['first', 'block'] },
    { type: 'globalAvgPool2d' },
    { type: 'flatten' },
    { type: 'dense', name: 'head', outFeatures: 2 },
  ],
  classNames: ['bright', 'dark'],
};

for (const { name, shape } of networkShapes(network).parameters) console.log(name, shape.join(' x '));

/** Half of the images are bright, half are dark. */
const COUNT = 32;
const labels = Int32Array.from({ length: COUNT }, (_, i) => i % 2);
const pixels = new Uint8Array(COUNT * 16 * 16 * 3);
for (let i = 0; i < pixels.length; i++) pixels[i] = (Math.floor(i / 768) % 2 === 0 ? 160 : 40) + (i % 50);

const session = await loadAddon().createSession({
  device: 'cpu',
  network,
  seed: 1,
  batchSize: COUNT,
  threads: 2,
  optimizer: { kind: 'adamw' },
});
try {
  for (let step = 1; step <= 30; step++) {
    const { loss, correct } = await session.trainStep(pixels, labels, 0.01);
    if (step % 10 === 0) console.log(`step ${step}: loss ${loss.toFixed(3)}, ${correct} of ${COUNT} right`);
  }
  const logits = await session.predict(pixels.subarray(0, 768), 1);
  const { data } = await ops.softmax({ shape: [1, 2], data: logits });
  console.log(`bright with probability ${data[0]!.toFixed(2)}`);
} finally {
  await session.dispose();
}
