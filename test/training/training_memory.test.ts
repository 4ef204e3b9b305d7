/** What is said of memory before fine-tuning, against what processes were seen to take. */
import { expect, test } from 'vitest';
import { lite0, resnet18 } from '../../src/model/pretrained_networks.ts';
import { memoryRemarks, trainingBytes } from '../../src/training/training_memory.ts';

const classNames = ['bird', 'not-bird'];

// Resident memory that creating a session on oneDNN and its first step added, and six copies of the parameters here.
test.each([
  ['lite0', lite0({ imageSize: 160, classNames, backbone: 'tuned' }), 32, 1114e6 + 6 * 14e6],
  ['lite0', lite0({ imageSize: 224, classNames, backbone: 'tuned' }), 16, 1096e6 + 6 * 14e6],
  ['resnet18', resnet18({ imageSize: 128, classNames, backbone: 'tuned' }), 16, 350e6 + 6 * 45e6],
] as const)('%s: as much as was measured, or a fifth more', (_, network, batchSize, measured) => {
  const bytes = trainingBytes(network, batchSize);
  expect(bytes / measured).toBeGreaterThan(0.95);
  expect(bytes / measured).toBeLessThan(1.25);
});

test('it is said, and where there is less, what to do', () => {
  const network = lite0({ imageSize: 160, classNames, backbone: 'tuned' });
  const [plenty] = memoryRemarks(network, 32, 8e9);
  expect(plenty).toBe(
    'Fine-tuning takes about 1.4 GB of memory, for batches of 32 images of 160 x 160 pixels',
  );
  expect(memoryRemarks(network, 32, 5e8)[0]).toMatch(/only 500 MB are free: a smaller --batch-size/);
});
