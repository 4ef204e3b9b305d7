/** The model card: what was measured, what it can't say, and no markup from names. */
import { expect, test } from 'vitest';
import { confidenceIntervals } from '../../src/metrics/intervals.ts';
import { renderCard } from '../../src/report/model_card.ts';
import { failedStory, goodStory, hostileStory, manyClasses } from './stories.ts';

const titles = (card: string) => [...card.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
const ALL = [
  'What it is',
  'How good it is',
  'What it learned from',
  'Limits',
  'Where it must not be used',
  'What it cost',
];

test('a good run: its figures with their intervals, its confusion, its data', async () => {
  const story = await goodStory();
  const card = renderCard(story);
  expect(titles(card)).toEqual(ALL);
  const { best } = story;
  const [low, high] = confidenceIntervals(best!).balancedAccuracy.map(
    (bound) => `${(100 * bound).toFixed(1)}%`,
  );
  expect(card).toContain(
    `| balanced accuracy | ${(100 * best!.balancedAccuracy).toFixed(1)}% | ${low} to ${high} |`,
  );
  expect(card).toContain(`| bird | ${best!.confusion[0]!.join(' | ')} |`);
  expect(card).toContain(`Hash of the data: \`${story.data!.hash}\``);
  expect(card).toContain('held out from the same sources: on images from elsewhere expect lower scores');
  expect(card).toMatch(/^It finds \d+% of \d+ birds|^It finds \d+ of/m);
});

test('a pretrained network names its source and licence, and what it may have seen', async () => {
  const pretrained = { source: 'hf:timm/x', sha256: 'ab12', licence: 'apache-2.0' };
  const card = renderCard({ ...(await goodStory()), pretrained, caveats: ['Seen before.'] });
  expect(card).toContain('- Started from: hf:timm/x, licence apache-2.0 (sha256 ab12)');
  expect(card).toContain('- Seen before.');
});

test('rare classes, no validation, a source of its own for it', async () => {
  const many = await goodStory({ classNames: manyClasses.slice(0, 30) });
  expect(renderCard(many)).toMatch(/there were fewer than 30 validation images: their figures are rough/);
  const failed = renderCard(await failedStory());
  expect(titles(failed)).toEqual(ALL);
  expect(failed).toContain('It has not been validated.');
  const story = await goodStory();
  expect(renderCard({ ...story, options: { ...story.options, val: ['later'] } })).toContain(
    'a source of its own',
  );
});

test('names are no markup', async () => {
  const card = renderCard(await hostileStory());
  expect(card).not.toMatch(/(?<!\\)<(script|img|b)\b/i);
  for (const block of card.split('\n\n').filter((part) => part.startsWith('| '))) {
    const widths = block
      .trimEnd()
      .split('\n')
      .map((row) => row.split(/(?<!\\)\|/).length);
    expect(new Set(widths).size).toBe(1);
  }
});
