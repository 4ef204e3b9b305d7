/** The built-in drawings: who is a bird, which belong together, and that the background is no hint. */
import { describe, expect, test } from 'vitest';
import { loadDataset } from '../../src/data/dataset.ts';
import { demoPart } from '../../src/data/sources/demo_source.ts';
import { splitDataset } from '../../src/data/split.ts';
import { options, testFolder } from './made.ts';

/** The SVG of each image, by its name. */
async function drawings(size: number): Promise<Map<string, string>> {
  const part = await demoPart(size);
  const { names } = await part.list();
  const svgs = new Map<string, string>();
  for await (const image of part.read(await part.list(), () => true)) {
    if ('bytes' in image) svgs.set(names![image.index]!, new TextDecoder().decode(image.bytes));
  }
  return svgs;
}

describe('the listing', () => {
  test('80 birds of 20 concepts among some 7,300 drawings', async () => {
    const { count, labels, names, groups } = await (await demoPart(32)).list();
    const birds = names!.filter((_, i) => labels[i] === 0);
    const concepts = new Set(groups!.filter((_, i) => labels[i] === 0));
    expect([birds.length, concepts.size]).toEqual([80, 20]);
    expect(count).toBeGreaterThan(7000);
    expect(birds).toEqual(
      expect.arrayContaining([
        'noto/owl',
        'twemoji/penguin',
        'openmoji/goose',
        'fluent-emoji-flat/phoenix-bird',
      ]),
    );
    const others = names!.filter((_, i) => labels[i] === 1);
    // Unicode has feather and wing among the birds; they are none.
    expect(others).toEqual(expect.arrayContaining(['noto/feather', 'twemoji/wing', 'noto/egg']));
    expect(
      others.filter((name) => /\b(bird|owl|duck|chick|eagle|pigeon|macaw|swan|flamingo)\b/.test(name)),
    ).toEqual([]);
  });

  test('no skin tones; the owl of four sets is one group', async () => {
    const { names, groups } = await (await demoPart(32)).list();
    expect(groups!.filter((code) => /1f3f[b-f]/.test(code))).toEqual([]);
    expect(names!.filter((name) => /skin-tone/.test(name))).toEqual([]);
    const owls = names!.flatMap((name, i) => (name.endsWith('/owl') ? [groups![i]] : []));
    expect(owls).toEqual(['1f989', '1f989', '1f989', '1f989']);
    expect(new Set(names).size).toBe(names!.length);
  });
});

test('each time the same, on backgrounds that differ and say nothing of the class', async () => {
  const svgs = await drawings(32);
  expect(await drawings(32)).toEqual(svgs);
  const kindOf = (svg: string) => /<(linear|radial)Gradient id="bg"/.exec(svg)?.[1] ?? 'plain';
  const { names, labels } = await (await demoPart(32)).list();
  const share = (label: number, kind: string) => {
    const all = names!.filter((_, i) => labels[i] === label);
    return all.filter((name) => kindOf(svgs.get(name)!) === kind).length / all.length;
  };
  // Half plain, a quarter each way, for both classes; three standard errors of 80 drawings are 0.17.
  for (const [kind, part] of [
    ['plain', 0.5],
    ['linear', 0.25],
    ['radial', 0.25],
  ] as const) {
    expect(Math.abs(share(0, kind) - part)).toBeLessThan(0.17);
    expect(Math.abs(share(1, kind) - part)).toBeLessThan(0.02);
  }
  const starts = [...svgs.values()].map((svg) => svg.slice(0, svg.indexOf('<g transform="translate')));
  // Plain colours are 600,000: a few come twice.
  expect(new Set(starts).size).toBeGreaterThan(0.99 * svgs.size);
});

test('loaded: every drawing comes out, second time at once, and whole concepts are held out', async () => {
  const folder = testFolder();
  let decoded = 0;
  const given = options(folder, {
    data: ['demo'],
    imageSize: 16,
    onProgress: ({ stage, done }) => {
      if (stage === 'decode') decoded = done!;
    },
  });
  const dataset = await loadDataset(given);
  const { labels, names, groups } = dataset;
  expect([dataset.classNames, dataset.skipped]).toEqual([['bird', 'not-bird'], []]);
  expect([decoded, labels.filter((label) => label === 0).length]).toEqual([labels.length, 80]);
  decoded = 0;
  expect(await loadDataset(given)).toEqual(dataset);
  expect(decoded).toBe(0);
  const { train, val } = await splitDataset(dataset, { fraction: 0.2, seed: 1 });
  const conceptsOf = (positions: Uint32Array) =>
    new Set(Array.from(positions).flatMap((i) => (labels[i] === 0 ? [groups[i]] : [])));
  expect([conceptsOf(train).size, conceptsOf(val).size]).toEqual([16, 4]);
  const held = new Set(Array.from(val, (i) => groups[i]));
  expect(Array.from(train).filter((i) => held.has(groups[i]))).toEqual([]);
  expect(names[val[0]!]).toMatch(/^demo\//);
});
