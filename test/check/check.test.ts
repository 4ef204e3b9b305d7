/** The data doctor: every planted fault is found, named and pictured; nothing is found where nothing is wrong. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { checkSources } from '../../src/check/check_dataset.ts';
import { reportLines } from '../../src/check/check_lines.ts';
import { pageOf } from '../../src/check/check_page.ts';
import type { Kind, Report } from '../../src/check/check_result.ts';
import { findingsOf } from '../../src/check/image_problems.ts';
import { headerOf, LOOK_DIGITS, lookOf } from '../../src/data/cache/image_facts.ts';
import { type Header, readHeader } from '../../src/data/cache/image_header.ts';
import type { DatasetOptions } from '../../src/data/dataset.ts';
import { options, outcome, parquet, testFolder, write } from '../data/made.ts';
import { run } from '../images.ts';
import { scene } from './check_made.ts';

const noise = (seed: number, width: number, height: number) =>
  Buffer.from(Array.from({ length: width * height * 3 }, (_, i) => (i * (7919 + 2 * seed)) % 251));
const raw = (width: number, height: number) => ({ raw: { width, height, channels: 3 } as const });
const plainOf = (background: string) => sharp({ create: { width: 80, height: 60, channels: 3, background } });

/** Healthy images: 22 a class. */
const healthyFiles: Promise<[string, Uint8Array][]> = Promise.all(
  Array.from({ length: 44 }, async (_, i) => [`a/${i % 2 ? 'bird' : 'not-bird'}/${i}.jpg`, await scene(i)]),
);
const healthy = async () => Object.fromEntries(await healthyFiles);

const HOSTILE = `<img src=x onerror=alert(1)>&"'\u202egpj.jpg`;

/** By kind of finding: what is planted, and the names that the finding must tell, the first image of each item. */
async function faults(): Promise<
  Record<string, { files: Record<string, Uint8Array | string>; kind: Kind; names: string[] }>
> {
  const whole = await scene(200);
  const animated = sharp(Buffer.concat([noise(1, 64, 64), noise(2, 64, 64)]), {
    raw: { width: 64, height: 128, channels: 3, pageHeight: 64 } as never,
  });
  return {
    'one file under two classes': {
      files: { 'a/bird/x.jpg': whole, 'a/not-bird/y.jpg': whole },
      ...{ kind: 'contradiction', names: ['a/bird/x.jpg'] },
    },
    'alike under two classes': {
      files: { 'a/bird/x.jpg': whole, 'a/not-bird/y.png': await sharp(whole).resize(120).png().toBuffer() },
      ...{ kind: 'lookalike', names: ['a/bird/x.jpg'] },
    },
    'the same and nearly the same in validation': {
      files: {
        'v/bird/x.jpg': await scene(1),
        'v/bird/y.jpg': await sharp(await scene(3))
          .flop()
          .toBuffer(),
      },
      ...{ kind: 'leak', names: ['a/bird/1.jpg', 'a/bird/3.jpg'] },
    },
    'no images': {
      files: { 'a/bird/page.jpg': '<!doctype html>', 'a/bird/empty.png': '', 'a/bird/note.gif': 'hello' },
      ...{ kind: 'unreadable', names: ['a/bird/empty.png', 'a/bird/note.gif', 'a/bird/page.jpg'] },
    },
    'cut off': {
      files: { 'a/bird/half.jpg': whole.subarray(0, whole.length >> 1) },
      ...{ kind: 'damaged', names: ['a/bird/half.jpg'] },
    },
    'outside the class folders': {
      files: { 'a/stray.jpg': whole },
      ...{ kind: 'outside', names: ['a/stray.jpg'] },
    },
    blank: {
      files: {
        'a/bird/black.jpg': await plainOf('#050506').jpeg().toBuffer(),
        'a/bird/white.png': await plainOf('#fdfdfd').png().toBuffer(),
      },
      ...{ kind: 'blank', names: ['a/bird/black.jpg', 'a/bird/white.png'] },
    },
    'exact copies, by bytes and by pixels': {
      files: {
        'a/bird/x.png': await sharp(whole).png().toBuffer(),
        'a/bird/y.png': await sharp(whole).png({ compressionLevel: 0 }).toBuffer(),
        'a/bird/1-again.jpg': await scene(1),
      },
      ...{ kind: 'duplicate', names: ['a/bird/1-again.jpg', 'a/bird/x.png'] },
    },
    'near copies': {
      files: {
        'a/bird/again.jpg': await sharp(await scene(1))
          .linear(1.15, 5)
          .jpeg({ quality: 60 })
          .toBuffer(),
      },
      ...{ kind: 'near', names: ['a/bird/1.jpg'] },
    },
    'a class of three': {
      files: { 'a/owl/1.jpg': whole, 'a/owl/2.jpg': await scene(201), 'a/owl/3.jpg': await scene(202) },
      ...{ kind: 'imbalance', names: [] },
    },
    'a PNG with the name of a JPEG': {
      files: { 'a/bird/x.jpg': await sharp(whole).png().toBuffer() },
      ...{ kind: 'mislabelled', names: ['a/bird/x.jpg'] },
    },
    tiny: {
      files: {
        'a/bird/a.png': await sharp(noise(5, 20, 30), raw(20, 30))
          .png()
          .toBuffer(),
        'a/bird/b.png': await sharp(noise(9, 9, 300), raw(9, 300))
          .png()
          .toBuffer(),
        'a/bird/c.png': await sharp(noise(3, 12, 9), raw(12, 9))
          .png()
          .toBuffer(),
      },
      // The smallest first.
      ...{ kind: 'tiny', names: ['a/bird/c.png', 'a/bird/a.png', 'a/bird/b.png'] },
    },
    'turned by EXIF': {
      files: { 'a/bird/x.jpg': await sharp(whole).withMetadata({ orientation: 6 }).jpeg().toBuffer() },
      ...{ kind: 'turned', names: ['a/bird/x.jpg'] },
    },
    CMYK: {
      files: { 'a/bird/x.jpg': await sharp(whole).toColourspace('cmyk').jpeg().toBuffer() },
      ...{ kind: 'cmyk', names: ['a/bird/x.jpg'] },
    },
    '16 bits': {
      files: { 'a/bird/x.png': await sharp(whole).toColourspace('rgb16').png().toBuffer() },
      ...{ kind: 'deep', names: ['a/bird/x.png'] },
    },
    animated: {
      files: { 'a/bird/x.webp': await animated.webp().toBuffer() },
      ...{ kind: 'animated', names: ['a/bird/x.webp'] },
    },
    transparent: {
      files: { 'a/bird/x.png': await sharp(whole).ensureAlpha(0.5).png().toBuffer() },
      ...{ kind: 'transparent', names: ['a/bird/x.png'] },
    },
    'a hostile name': {
      files: { [`a/bird/${HOSTILE}`]: 'text' },
      ...{ kind: 'unreadable', names: [`a/bird/${HOSTILE}`] },
    },
  };
}

function checkOptions(folder: string, given: Partial<DatasetOptions> = {}): DatasetOptions {
  const validation = existsSync(join(folder, 'v')) ? [join(folder, 'v')] : [];
  return options(folder, { data: [join(folder, 'a')], validation, imageSize: 32, ...given });
}

async function check(folder: string, given: Partial<DatasetOptions> = {}) {
  const settings = checkOptions(folder, given);
  const checked = await checkSources(settings);
  return { report: checked.report, page: await pageOf(checked, settings) };
}

/** The sections of a page by their ids. */
function sectionsOf(page: string): Map<string, string> {
  const sections = page.matchAll(/<section id="([\w-]+)">(.*?)<\/section>/gs);
  return new Map([...sections].map(([, id, body]) => [id!, body!]));
}

function escaped(text: string): string {
  const marks: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (mark) => marks[mark]!).replace('\u202e', '\ufffd');
}

/** Nothing but what we wrote ourselves may be markup. */
function expectSafe(page: string): void {
  expect(page).not.toMatch(/<script|<iframe|<link|javascript:|\son\w+=["']?alert\(1\)>/i);
  expect(page).not.toContain('\u202e');
  const addresses = [...page.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, address]) => address!);
  expect(
    addresses.filter((address) => !/^(#[\w-]+|data:image\/webp;base64,[\w+/=]+)$/.test(address)),
  ).toEqual([]);
  expect(page).not.toMatch(/url\(|@import|https?:/);
}

describe('what is wrong with images', () => {
  test('nothing, where nothing is', async () => {
    const folder = testFolder();
    write(folder, await healthy());
    const { report, page } = await check(folder);
    expect(report).toEqual({
      sources: [{ source: join(folder, 'a'), images: 44, ignored: 0 }],
      ...{ imageSize: 32, images: 44, readable: 44 },
      classes: [
        { name: 'bird', training: 22, validation: 0 },
        { name: 'not-bird', training: 22, validation: 0 },
      ],
      formats: { jpeg: 44 },
      dimensions: { smallest: [240, 180], middle: [240, 180], largest: [240, 180] },
      findings: [],
    } satisfies Report);
    expect(reportLines(report)).toEqual([
      `${join(folder, 'a')}: 44 images`,
      '44 of 44 can be used: 22 bird, 22 not-bird',
      '44 JPEG; from 240 x 180 to 240 x 180 pixels, 240 x 180 in the middle',
      '',
      'Nothing is out of the ordinary.',
    ]);
    expectSafe(page);
    expect([...sectionsOf(page).keys()]).toEqual(['classes', 'class-0', 'class-1']);
    const section = sectionsOf(page).get('class-0')!;
    const pictures = [...section.matchAll(/<img src="data:image\/webp;base64,([^"]+)"/g)];
    expect(pictures).toHaveLength(22);
    // Whole, and not the cached squares.
    const { width, height } = await sharp(Buffer.from(pictures[3]![1]!, 'base64')).metadata();
    expect([width, height]).toEqual([224, 168]);
  });

  test('each planted fault: found, named, on the page', async () => {
    const base = Object.fromEntries((await healthyFiles).slice(0, 10));
    for (const [what, { files, kind, names }] of Object.entries(await faults())) {
      const folder = testFolder();
      write(folder, base);
      write(folder, files);
      const { report, page } = await check(folder);
      const found = report.findings.find((finding) => finding.kind === kind);
      expect(found, what).toBeDefined();
      const firsts = found!.items.flatMap(({ images }) => images.slice(0, 1).map(({ name }) => name));
      const full = names.map((name) => join(folder, name));
      if (kind === 'tiny') expect(firsts).toEqual(full);
      else expect([what, [...firsts].sort()]).toEqual([what, [...full].sort()]);
      const section = sectionsOf(page).get(kind)!;
      for (const name of full) expect(section, what).toContain(`title="${escaped(name)}"`);
      if (kind === 'imbalance') expect(section).toContain('“owl” has only 3 images');
      expectSafe(page);
      expect(reportLines(report).join('\n'), what).not.toContain('\u202e');
      // Of other kinds there is nothing but what follows from the same fault.
      const others = report.findings
        .filter((finding) => finding.kind !== kind)
        .map((finding) => finding.kind);
      expect([
        what,
        others.filter((other) => !['near', 'turned', 'transparent', 'imbalance'].includes(other)),
      ]).toEqual([what, []]);
    }
  });

  test('the sides of a pair, their classes, and how often a copy is there', async () => {
    const folder = testFolder();
    write(folder, await healthy());
    const seen = await scene(1);
    write(folder, { 'v/bird/v.jpg': seen, 'v/not-bird/w.jpg': await scene(99), 'a/bird/b.jpg': seen });
    const { report, page } = await check(folder);
    const [leak] = report.findings;
    expect(leak).toMatchObject({ kind: 'leak', weight: 'out', count: 3 });
    expect(leak!.items[0]!.reason).toBe('the same file, 3 times');
    expect(leak!.items[0]!.images.map(({ name, validation }) => [name, validation])).toEqual([
      [join(folder, 'a/bird/1.jpg'), undefined],
      [join(folder, 'a/bird/b.jpg'), undefined],
      [join(folder, 'v/bird/v.jpg'), true],
    ]);
    expect(
      sectionsOf(page)
        .get('leak')!
        .match(/<img src="data:/g),
    ).toHaveLength(3);
    expect(report.classes[0]).toEqual({ name: 'bird', training: 23, validation: 1 });
  });

  test('bounded: of many findings the page pictures the first', async () => {
    const folder = testFolder();
    const files: Record<string, Uint8Array> = {};
    for (let i = 0; i < 300; i++) {
      files[`a/bird/${String(i).padStart(3, '0')}.png`] = await sharp(noise(i, 10, 10), raw(10, 10))
        .png()
        .toBuffer();
    }
    write(folder, { ...files, 'a/not-bird/x.jpg': await scene(1) });
    const { report, page } = await check(folder);
    expect(report.findings.find(({ kind }) => kind === 'tiny')!.items).toHaveLength(300);
    const section = sectionsOf(page).get('tiny')!;
    expect(section.match(/<figure class="pic">/g)).toHaveLength(24);
    expect(section.match(/<li>/g)).toHaveLength(200);
    expect(section).toContain('<summary>276 more</summary>');
    expect(sectionsOf(page).get('class-0')!.match(/<img /g)).toHaveLength(60);
    expect(page).toContain('60 of 300, spread evenly');
  });

  test('parquet has pictures too, and the rows that are none are told', async () => {
    const folder = testFolder();
    const images = await Promise.all([0, 1, 2, 3].map((i) => scene(i)));
    write(folder, { 'p.parquet': parquet({ images: [...images, null], labels: [0n, 1n, 0n, 1n, 1n] }) });
    const { report, page } = await check(folder, { data: [join(folder, 'p.parquet')] });
    expect(report.findings.map(({ kind }) => kind)).toEqual(['unreadable', 'imbalance']);
    expect(
      sectionsOf(page)
        .get('class-1')!
        .match(/<img src="data:/g),
    ).toHaveLength(2);
  });

  test('what a source left out on purpose is listed', () => {
    const filtered = [{ name: 'x.parquet#3', reason: 'speaks of "heron"' }];
    const none = { images: [], pairs: [], skipped: [], classes: [], imageSize: 32 };
    expect(findingsOf({ ...none, filtered })).toEqual([
      {
        ...{ kind: 'filtered', weight: 'note', count: 1 },
        items: [{ images: [{ name: 'x.parquet#3' }], reason: 'speaks of "heron"' }],
      },
    ]);
  });

  test('remembered: the second time nothing is decoded', async () => {
    const folder = testFolder();
    write(folder, { ...(await healthy()), 'a/bird/page.jpg': '<!doctype html>' });
    const first = await check(folder);
    let decoded = 0;
    const onProgress: DatasetOptions['onProgress'] = ({ stage, done = 0 }) => {
      if (stage === 'decode') decoded += done;
    };
    const second = await check(folder, { onProgress });
    expect([second.report, decoded]).toEqual([first.report, 0]);
  });

  test('a source that can’t be used is refused', async () => {
    const folder = testFolder();
    expect(await outcome(checkSources(options(folder, { data: [join(folder, 'nowhere')] })))).toMatch(
      /^UserError: No such folder/,
    );
  });
});

describe('the command', () => {
  test('lines, a page, JSON; findings are no failure', async () => {
    const folder = testFolder();
    write(folder, { ...(await healthy()), 'a/bird/page.jpg': '<!doctype html>' });
    const [page, cache] = [join(folder, 'out.html'), join(folder, 'cache')];
    const told = await run('check.ts', [join(folder, 'a'), '--html', page, '--cache', cache]);
    expect([told.code, told.stderr]).toEqual([0, '']);
    expect(told.stdout).toContain('Left out of training\n      1  Can’t be read\n');
    expect(told.stdout).toContain(`Pictures of all this are in ${page}\n`);
    expectSafe(readFileSync(page, 'utf8'));
    const small = ['--image-size', '64'];
    const json = await run('check.ts', ['--data', join(folder, 'a'), '--json', '--cache', cache, ...small]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      images: 45,
      readable: 44,
      findings: [{ kind: 'unreadable' }],
    });
    const nowhere = await run('check.ts', ['photos', '--html', join(folder, 'no/out.html')]);
    expect([nowhere.code, nowhere.stderr]).toEqual([
      1,
      expect.stringMatching(/^Error: Expected a folder for the page/),
    ]);
    const nothing = await run('check.ts', []);
    expect([nothing.code, nothing.stderr.split('\n')[0]]).toEqual([
      2,
      'Error: Expected sources to examine; for example: npx tsx src/check.ts photos',
    ]);
  });
});

describe('headers', () => {
  test('as sharp reads them, of every format', async () => {
    const base = () => sharp(noise(1, 60, 40), raw(60, 40));
    const alpha = () => base().ensureAlpha(0.5);
    const made: Record<string, Promise<Buffer>> = {
      jpeg: base().jpeg().toBuffer(),
      'progressive, turned': base().withMetadata({ orientation: 8 }).jpeg({ progressive: true }).toBuffer(),
      cmyk: base().toColourspace('cmyk').jpeg().toBuffer(),
      png: base().png().toBuffer(),
      'png 16': base().toColourspace('rgb16').png().toBuffer(),
      'png alpha': alpha().png().toBuffer(),
      'png palette': alpha().png({ palette: true }).toBuffer(),
      'png turned': base().withMetadata({ orientation: 3 }).png().toBuffer(),
      webp: base().webp().toBuffer(),
      'webp lossless': base().webp({ lossless: true }).toBuffer(),
      'webp alpha': alpha().webp().toBuffer(),
      'webp lossless alpha': alpha().webp({ lossless: true }).toBuffer(),
      'webp turned': base().withMetadata({ orientation: 6 }).webp().toBuffer(),
      gif: base().gif().toBuffer(),
      avif: base().avif().toBuffer(),
      'avif alpha': alpha().avif().toBuffer(),
      tiff: base().tiff().toBuffer(),
      'tiff turned': base().withMetadata({ orientation: 6 }).tiff().toBuffer(),
      'tiff 16': base().toColourspace('rgb16').tiff().toBuffer(),
      'tiff cmyk': base().toColourspace('cmyk').tiff().toBuffer(),
    };
    for (const [what, making] of Object.entries(made)) {
      const bytes = await making;
      const {
        format,
        width,
        height,
        orientation = 1,
        space,
        depth,
        pages = 1,
        hasAlpha,
        isProgressive,
      } = await sharp(bytes).metadata();
      const expected: Header = {
        format: format === 'heif' ? 'avif' : (format as Header['format']),
        ...{ width, height, turned: orientation > 1, cmyk: space === 'cmyk', deep: depth === 'ushort' },
        ...{ animated: pages > 1, alpha: hasAlpha, progressive: format === 'jpeg' && isProgressive },
      };
      expect([what, readHeader(bytes)]).toEqual([what, expected]);
      const look = lookOf(readHeader(bytes), new Uint8Array(8 * 8 * 3), 8);
      expect([look.length, headerOf(look)]).toEqual([LOOK_DIGITS, expected]);
      // Cut anywhere, it says what it can.
      for (let length = 0; length < bytes.length; length += 7) readHeader(bytes.subarray(0, length));
    }
  });

  test('made to mislead, it ends', () => {
    const endless = Buffer.alloc(4 * 2 ** 20, 0xff);
    endless[1] = 0xd8;
    expect(readHeader(endless)).toMatchObject({ format: 'jpeg', width: 0 });
    const png = Buffer.alloc(4 * 2 ** 20);
    png.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    expect(readHeader(png)).toMatchObject({ format: 'png', width: 0 });
  });
});
