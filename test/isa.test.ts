/** The short lane of `npm run test:isa`: PyTorch's numbers and the neighbours of an image on what older processors have. */
import { expect, test } from 'vitest';
import { limitsHere, runLimited } from './isa.ts';

const files = ['instruction_set', 'operations', 'extremes', 'neighbours', 'reference'];

test.each(await limitsHere())('%s', async (limit) => {
  const { code, output } = await runLimited(
    limit,
    files.map((name) => `test/native/${name}.test.ts`),
  );
  expect(code, output).toBe(0);
  expect(output).toMatch(/Tests .*\d{3} passed/);
});
