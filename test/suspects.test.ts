/** Labels made wrong on purpose are those that the report asks to check. */
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { train } from '../src/train.ts';
import { pictureFolder, temporaryFolder } from './images.ts';

const folder = temporaryFolder('suspects');
const photos = join(folder, 'photos');
/** Of 240, a fifth of which is held out. */
const WRONG = 20;
beforeAll(async () => {
  await pictureFolder(photos, 120, 120);
  const move = (from: string, to: string, i: number) =>
    renameSync(join(photos, from, `${i}.png`), join(photos, to, `wrong-${i}.png`));
  for (let i = 0; i < WRONG / 2; i++) {
    move('bird', 'not-bird', 12 * i);
    move('not-bird', 'bird', 12 * i + 5);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

test('of training and validation, by name in the report', { timeout: 60_000 }, async () => {
  const run = join(folder, 'run');
  await train({
    ...{ data: [photos], cache: join(folder, 'cache'), lock: join(folder, 'birbs.lock.json'), run },
    ...{ imageSize: 16, batchSize: 16, epochs: 6, device: 'cpu', threads: 1, seed: 3 },
  });
  const report = readFileSync(join(run, 'report.html'), 'utf8');
  const section = report.split('Labels to check')[1]!.split('</ul>')[0]!;
  const names = [...section.matchAll(/<small title="([^"]*)"/g)].map(([, name]) => name!);
  const wrong = names.filter((name) => name.includes('wrong-'));
  // Validation alone has about four, chance two of twenty-four.
  expect(wrong.length, names.join(', ')).toBeGreaterThanOrEqual(0.8 * WRONG);
  expect(wrong.length / names.length).toBeGreaterThan(0.8);
});
