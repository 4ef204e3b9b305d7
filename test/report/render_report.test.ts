/** The report: sound HTML whatever the story, the numbers in it, and how a browser sees it. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderReport } from '../../src/report/render_report.ts';
import type { RunStory } from '../../src/report/story.ts';
import { temporaryFolder } from '../images.ts';
import { type Browser, openBrowser, type View } from './browser.ts';
import { eventfulStory, failedStory, goodStory, hostileStory, manyClasses } from './stories.ts';

const folder = temporaryFolder('report');
afterAll(() => rmSync(folder, { recursive: true, maxRetries: 5 }));

const DESK: View = { width: 1200 };
const PHONE: View = { width: 390, dark: true };
const ALL = [DESK, { ...DESK, dark: true }, PHONE, { ...PHONE, dark: false }];

/** Each with the ways in which the browser looks at it. */
const stories: [what: string, story: () => Promise<RunStory>, views: View[]][] = [
  ['a good run', () => goodStory(), ALL],
  ['one epoch', () => goodStory({ epochs: 1 }), [PHONE]],
  ['1,000 epochs', () => goodStory({ epochs: 1000 }), [DESK]],
  ['ten classes', () => goodStory({ classNames: manyClasses.slice(0, 10) }), [PHONE]],
  ['200 classes', () => goodStory({ classNames: manyClasses }), [PHONE]],
  ['an eventful run', eventfulStory, [PHONE]],
  ['a run that failed before its first epoch', failedStory, [DESK]],
  ['hostile names', hostileStory, ALL],
];

const VOID = ['meta', 'img', 'br', 'input'];
const TAGS = new Set(
  (
    '!doctype html head meta title style body header main section footer nav h1 h2 h3 p a b i small span bdi code pre ' +
    'div ul li figure figcaption table caption thead tbody tr th td details summary dl dt dd img input label svg path rect circle text'
  ).split(' '),
);
const ATTRIBUTES = new Set(
  (
    'lang charset http-equiv content name class id href style scope title src alt role aria-label aria-hidden viewBox type checked for ' +
    'd x y cx cy r width height fill-opacity html'
  ).split(' '),
);

interface Tag {
  name: string;
  attributes: [name: string, value: string][];
}

/** Reads HTML that has no loose ends; throws at the first sign that is not part of a tag it knows. */
function readTags(html: string): Tag[] {
  const tags: Tag[] = [];
  const open: string[] = [];
  for (const [, rest] of html.matchAll(/<([^<]*)/g)) {
    const match = /^(\/?)([!a-z0-9]+)((?:\s+[a-zA-Z-]+(?:="[^"]*")?)*)\s*\/?>/.exec(rest!);
    if (!match) throw new Error(`no tag: <${rest!.slice(0, 80)}`);
    const [all, slash, name, attributes] = match as unknown as [string, string, string, string];
    if (!TAGS.has(name)) throw new Error(`unexpected <${name}>`);
    if (slash) {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
      continue;
    }
    if (!VOID.includes(name) && name !== '!doctype' && !all.endsWith('/>')) open.push(name);
    const found = [...attributes.matchAll(/([a-zA-Z-]+)(?:="([^"]*)")?/g)];
    tags.push({ name, attributes: found.map(([, key, value = '']) => [key!, value]) });
  }
  expect(open).toEqual([]);
  return tags;
}

describe.each(stories)('%s', (_, story) => {
  let html: string;
  beforeAll(async () => {
    html = renderReport(await story());
  });

  test('is sound, self-contained, and below 5 MB', () => {
    const attributes = readTags(html).flatMap((tag) => tag.attributes);
    expect([...new Set(attributes.map(([name]) => name))].filter((name) => !ATTRIBUTES.has(name))).toEqual(
      [],
    );
    const wrong = (which: string, right: RegExp) =>
      attributes.filter(([name, value]) => name === which && !right.test(value));
    expect(wrong('src', /^data:image\/(webp|png|jpeg);base64,[\w+/=]*$/)).toEqual([]);
    expect(wrong('href', /^#[a-z]+$/)).toEqual([]);
    expect(wrong('style', /^(--share:\d\.\d+|--o0:\d+(;--o\d:\d+)*)$/)).toEqual([]);
    expect(html).not.toMatch(/NaN|undefined|\[object|Infinity/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(html).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/);
    expect(Buffer.from(html).toString()).toBe(html);
    expect(Buffer.byteLength(html)).toBeLessThan(5e6);
  });

  test('answers in the order of the questions', () => {
    const ids = [...html.matchAll(/<section id="([a-z]+)">/g)].map(([, id]) => id);
    expect(ids).toEqual(['good', 'trouble', 'images', 'course', 'data', 'details']);
    expect([...html.matchAll(/<a href="#([a-z]+)">/g)].map(([, id]) => id)).toEqual(ids);
  });

  test('each drawing says what it shows', () => {
    for (const { name, attributes } of readTags(html)) {
      if (name === 'svg')
        expect(Object.fromEntries(attributes)).toMatchObject({ role: 'img', 'aria-label': /./ });
      if (name === 'img') expect(Object.fromEntries(attributes).alt).toBeTruthy();
    }
  });
});

const text = (html: string) =>
  html
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');

describe('what it says', () => {
  test('of a good run: verdict, interval, threshold, nothing wrong', async () => {
    const story = await goodStory();
    story.data!.skipped = [];
    const said = text(renderReport(story));
    expect(said).toContain('It finds 91% of 120 birds; a quarter of what it calls bird is something else.');
    expect(said).toContain('Balanced accuracy 91.5% 87.9% to 93.7%');
    expect(said).toContain('What went wrong? Nothing.');
    expect(said).toContain('npx tsx src/predict.ts --model runs/night photo.jpg');
    expect(said).not.toContain('--resume');
    expect(said).toContain('Decoding limits you');
    expect(said).toContain('they stay on its side of the split. Out of the ordinary: 3 blank');
    expect(said).toMatch(/saying bird at a probability of 45\.5% or more: 92\.1%, against 91\.5% at 50%/);
  });

  test('of other thresholds: both curves, with what guessing gives; how many images each bar is of', async () => {
    const story = await goodStory();
    const said = text(renderReport(story));
    expect(said).toContain(
      'Precision over recall (average precision 93.0%) precision guessing as it answers',
    );
    expect(said).toContain('ROC (AUROC 97.6%) recall guessing as it answers');
    expect(said).toContain('images 13 16 29 21 32 43 49 397');
    const many = text(renderReport(await goodStory({ classNames: manyClasses.slice(0, 10) })));
    expect(many).toContain(
      'The curves are of Species number 1 , the class that is found least. Calling more',
    );
    expect(text(renderReport({ ...story, ranking: undefined }))).not.toContain('another threshold');
  });

  test('of one that still runs: how to resume it if it does not', async () => {
    const said = text(renderReport({ ...(await goodStory()), status: 'running' }));
    expect(said).toContain('If it has stopped since, resume it: npx tsx src/train.ts --resume runs/night');
  });

  test('where birds are rare: what most of those are that it calls so', async () => {
    const story = await goodStory();
    const confusion = [
      [80, 20],
      [300, 1600],
    ];
    const best = { ...story.best!, confusion, precision: 80 / 380, recall: 0.8 };
    const said = text(renderReport({ ...story, best }));
    expect(said).toContain('When it says bird it is right only 21.1% of the time: 5.0% of these images are');
    expect(said).toContain('Among as many of both it would be 83.5%');
    expect(text(renderReport(story))).not.toContain('right only');
  });

  test('of the metric that picked the best epoch, and of time where that is what it had', async () => {
    const story = await goodStory();
    story.options.metric = 'loss';
    const epochs = story.curve.epochs.map((epoch, i) => ({
      ...epoch,
      validation: { ...epoch.validation, loss: 1 / (i + 1) },
    }));
    const curve = { ...story.curve, epochs };
    const said = text(renderReport({ ...story, curve, epochs: { done: epochs.length, planned: null } }));
    expect(said).toContain('the best by loss');
    expect(said).toContain('still falling at the end: more time may help');
  });

  test('of one that learnt nothing', async () => {
    const said = text(renderReport({ ...(await goodStory()), betterThanMajority: false }));
    expect(said).toContain('It is no better than guessing: it finds 91% of 120 birds');
    expect(said).toContain('No better than guessing: its balanced accuracy is 91.5%');
    expect(said).not.toContain('Nothing.');
  });

  test('red where it is poor, and then no label is blamed', async () => {
    const good = await goodStory();
    const [sound, poor] = [good, { ...good, betterThanMajority: false }].map(renderReport);
    const looks = [sound, poor].map((html) => /<p class="verdict (\w+)">/.exec(html!)?.[1]);
    expect(looks).toEqual(['fair', 'poor']);
    expect(text(sound!)).toContain('to whose label it gave less than a guess');
    expect(text(poor!)).not.toMatch(/to whose label|labelled bird|label is what is wrong/);
    expect(text(poor!)).toContain('wrong too often for its doubts');
    expect(text(renderReport({ ...good, best: null }))).not.toContain('labelled bird');
  });

  test('of an eventful one: incidents with their images, where it goes on, the search for a rate', async () => {
    const said = text(renderReport(await eventfulStory()));
    expect(said).toContain('Interrupted');
    expect(said).toContain('Rolled back to step 96, skipped the batch');
    expect(said).toContain('critical, epoch 4, step 100');
    expect(said).toMatch(/It stopped and was resumed from a checkpoint once: \S+ \S+ after step 200\./);
    expect(said).toMatch(/Resumed once: \S+ \S+, after step 200; the version was 0\.0\.9/);
    expect(said).toMatch(/IMG_11\.jpg , and 20 more/);
    expect(said).toContain('Resume it: npx tsx src/train.ts --resume runs/night');
    expect(said).toContain('suggested: 0.0012');
  });

  test('of one that had no time for a step', async () => {
    const said = text(renderReport({ ...(await goodStory()), steps: 0, betterThanMajority: false }));
    expect(said).toContain('It ended before the first training step.');
  });

  test('of one that failed: why', async () => {
    const said = text(renderReport(await failedStory()));
    expect(said).toContain('It failed before an epoch was done.');
    expect(said).toContain('The disk is full: 8.8 MB were needed');
    expect(said).toContain('It ended before the images were read.');
  });

  test('of 200 classes: the weakest, and what is taken for what', async () => {
    const said = text(renderReport(await goodStory({ classNames: manyClasses, signal: 1.2 })));
    expect(said).toContain('The weakest classes, 20 of 200');
    expect(said).toContain('Species number 14 taken for Species number 164 2 times');
    expect(said).toContain('the 12 largest and the 12 smallest of 200');
  });

  test('pictures that are none of ours are left out', async () => {
    const html = renderReport(await hostileStory());
    expect(html).not.toMatch(/javascript:alert|example\.com\/x\.png"|svg\+xml/);
    expect([...html.matchAll(/<img /g)]).toHaveLength(9 * 3 - 4);
  });
});

describe('in a browser', () => {
  let browser: Browser | undefined;
  beforeAll(async () => {
    browser = await openBrowser(join(folder, 'profile'));
    if (!browser) console.warn('No Chromium on this machine: the report was only read, not looked at.');
  });
  afterAll(() => browser?.close());

  test.each(stories)(
    '%s: nothing is fetched, nothing runs, nothing hangs out, prints',
    async (what, story, views) => {
      const html = renderReport(await story());
      const path = join(folder, `${what.replace(/\W+/g, '-')}.html`);
      writeFileSync(path, html);
      const url = pathToFileURL(path).href;
      for (const view of browser ? views : []) {
        const { requests, complaints } = await browser!.open(url, view);
        expect(requests.filter((request) => !request.startsWith('data:image/'))).toEqual([url]);
        expect(complaints).toEqual([]);
        const facts = await browser!.evaluate(`({
        title: document.title, sections: document.querySelectorAll('section').length,
        overhang: document.documentElement.scrollWidth - innerWidth,
        scripts: document.scripts.length,
        broken: [...document.images].filter((image) => image.src.length < 60000 && !image.naturalWidth).length,
        ink: getComputedStyle(document.body).color,
      })`);
        expect(facts).toEqual({
          ...{ sections: 6, overhang: 0, scripts: 0, broken: 0 },
          title: expect.stringMatching(/: (It|So far|No)/),
          ink: view.dark ? 'rgb(232, 230, 225)' : 'rgb(29, 35, 39)',
        });
      }
      if (browser) expect((await browser.print()).subarray(0, 5).toString()).toBe('%PDF-');
      else readTags(html);
    },
  );

  test('a thumbnail is enlarged and given back, by Enter and by a click', async () => {
    if (!browser) return;
    const path = join(folder, 'enlarged.html');
    writeFileSync(path, renderReport(await goodStory()));
    await browser.open(pathToFileURL(path).href, DESK);
    const look = () =>
      browser!.evaluate(`(() => {
        const [image, overlay] = ['.zoom img', '.zoom summary'].map((one) => document.querySelector(one).getBoundingClientRect());
        return [document.querySelectorAll('.zoom[open]').length, image.width > 500, overlay.width === innerWidth];
      })()`);
    await browser.evaluate(`document.querySelector('.zoom summary').focus()`);
    expect(await look()).toEqual([0, false, false]);
    await browser.pressEnter();
    expect(await look()).toEqual([1, true, true]);
    await browser.pressEnter();
    expect(await look()).toEqual([0, false, false]);
    const [x, y] = (await browser.evaluate(`(() => {
      const { x, y } = document.querySelector('.zoom img').getBoundingClientRect();
      return [x + 9, y + 9];
    })()`)) as [number, number];
    await browser.click(x, y);
    expect(await look()).toEqual([1, true, true]);
    await browser.click(5, 5);
    expect(await look()).toEqual([0, false, false]);
  });
});
