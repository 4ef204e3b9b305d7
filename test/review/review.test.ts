/** The images of a run in the order of doubt, put right on the page, and learned from by the next training. */
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { noAnswers, rankDoubts } from '../../src/review/doubts.ts';
import { pictureFolder, run, temporaryFolder } from '../images.ts';

const folder = temporaryFolder('review');
afterAll(() => rmSync(folder, { recursive: true }));

test('worst mistakes, labels to check, unsure: each image once', () => {
  const answers = noAnswers(8);
  //                        val: 0-3        train: 4-7
  answers.guesses.set([1, 0, 1, 0, /**/ 0, 1, 0, 0]);
  answers.certainties.set([0.7, 0.6, 0.9, 0.99, /**/ 0.99, 0.8, 0.55, 0.52]);
  answers.unsure.set([0, 1, 0, 0, /**/ 0, 0, 1, 1]);
  const labels = Int32Array.of(0, 0, 0, 0, 0, 0, 0, 0);
  const all = { labels, val: Uint32Array.of(0, 1, 2, 3), train: Uint32Array.of(4, 5, 6, 7), suspects: [6] };
  const found = rankDoubts(answers, all, 100).map(({ position, kind }) => `${kind} ${position}`);
  expect(found).toEqual(['mistake 2', 'mistake 0', 'label 6', 'label 5', 'unsure 7', 'unsure 1']);
  expect(rankDoubts(answers, all, 3)).toHaveLength(3);
});

const options = [
  '--network',
  'birbs-bn',
  '--image-size',
  '16',
  '--epochs',
  '1',
  '--ui',
  'plain',
  '--cache',
  'cache',
];

beforeAll(async () => {
  await pictureFolder(join(folder, 'photos'), 30, 30);
  const trained = await run('train.ts', ['--data', 'photos', '--run', 'run', ...options], { cwd: folder });
  expect(trained.code).toBe(0);
});

test('review saves what is put right, and the next training says how much it learns from it', async () => {
  const found: Record<string, unknown> = {};
  const { code, stdout, stderr } = await run('review.ts', ['run', '--port', '0'], {
    cwd: folder,
    onOutput: (text, kill) => {
      const address = /Open (http:\S+)\n(?:.|\n)*ends it/.exec(text)?.[1];
      if (!address || found.asked) return;
      found.asked = (async () => {
        const ask = async (path: string, method = 'GET') => fetch(address + path, { method });
        found.first = await (await ask('doubts?from=0')).json();
        found.image = (await ask('image?at=0')).headers.get('content-type');
        found.beyond = (await ask('image?at=100000')).status;
        const { items } = found.first as { items: { at: number; label: string }[] };
        const [one, two] = items as [(typeof items)[number], (typeof items)[number]];
        const other = one.label === 'bird' ? 'not-bird' : 'bird';
        found.right = await (await ask(`label?at=${two.at}&label=${two.label}`, 'POST')).json();
        found.saved = await (await ask(`label?at=${one.at}&label=${other}`, 'POST')).json();
      })()
        .catch((error) => (found.error = error))
        .finally(() => kill('SIGINT'));
    },
  });
  await found.asked;
  expect({ code, stderr, error: found.error }).toEqual({ code: 0, stderr: '', error: undefined });
  const { items, total } = found.first as { items: { kind: string; why: string }[]; total: number };
  expect(total).toBeGreaterThan(1);
  expect(items[0]!.why).toMatch(/^(looks like|unsure)/);
  expect([found.image, found.beyond]).toEqual(['image/webp', 404]);
  expect(found.right).toEqual({ confirmed: true, label: expect.any(String), count: 0 });
  expect(found.saved).toMatchObject({ isNew: true, count: 1 });
  expect(stdout).toMatch(
    /Saved 1 corrections?\.\nLearn from them: .*train\.ts --data photos --data corrections\n$/,
  );
  expect(readdirSync(join(folder, 'corrections'))).toContain('corrections.jsonl');

  const again = await run(
    'train.ts',
    ['--data', 'photos', '--data', 'corrections', '--run', 'run2', ...options],
    { cwd: folder },
  );
  expect(again.stdout).toMatch(
    /Learns from (1 correction|0 corrections; 1 more is held out for validation); 1 wrong label of other sources replaced/,
  );
});

test('weights without their run are refused with a sentence', async () => {
  cpSync(join(folder, 'run/best.safetensors'), join(folder, 'alone.safetensors'));
  const { code, stderr } = await run('review.ts', ['alone.safetensors'], { cwd: folder });
  expect([code, stderr]).toEqual([
    1,
    'Error: Expected the images that . was trained on, but there is no run.json\n',
  ]);
});
