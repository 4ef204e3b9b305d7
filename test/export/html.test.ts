/** The exported page: its network, its resizing and its heat map in Node.js, the page itself in Chromium. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, expect, test } from 'vitest';
import { decodeImage } from '../../src/data/decode.ts';
import { encodeHtml } from '../../src/export/html/encode_html.ts';
import { explain, explainedValues } from '../../src/export/html/page_explain.ts';
import { openModel, type PageModel } from '../../src/export/html/page_model.ts';
import { runGraph } from '../../src/export/html/page_network.ts';
import { SquareResizer } from '../../src/export/html/page_resize.ts';
import { openHtml } from '../../src/export/html/run_html.ts';
import { scaled } from '../../src/metrics/calibration.ts';
import { softmax } from '../../src/metrics/metrics.ts';
import type { Network } from '../../src/model/network.ts';
import { verdictOf } from '../../src/predictor/prediction.ts';
import { temporaryFolder } from '../images.ts';
import { chromium, openPage } from './chromium.ts';
import { exported, images, networks } from './networks.ts';

const folder = temporaryFolder('page');
afterAll(() => rmSync(folder, { recursive: true }));

test.each(['windows', 'same', 'residual', 'lite0'])(
  '%s: the page computes what the portable kernels do',
  async (name) => {
    const network = networks[name]!;
    const { model, session } = await exported(network);
    const pixels = images(network, 2);
    const logits = await session.predict(pixels, 2);
    await session.dispose();
    const run = openHtml(Buffer.concat(encodeHtml(model)));
    const largest = Math.max(...logits.map(Math.abs));
    const classes = network.classNames.length;
    for (const i of [0, 1]) {
      const own = run(pixels.subarray((i * pixels.length) / 2, ((i + 1) * pixels.length) / 2)).logits!;
      for (let k = 0; k < classes; k++)
        expect(Math.abs(own[k]! - logits[i * classes + k]!)).toBeLessThan(1e-5 * largest);
    }
  },
);

/** A page as text, of which a part is replaced. */
async function changedPage(change: (text: string) => string) {
  const { model, session } = await exported(networks.same!);
  await session.dispose();
  return openHtml(Buffer.from(change(Buffer.concat(encodeHtml(model)).toString())));
}

test('a page whose script is not the one that its policy allows is refused', async () => {
  const refused = (from: string, to: string) => changedPage((text) => text.replace(from, to));
  await expect(refused('answerTo', 'answersTo')).rejects.toThrow('does not allow its own script');
  await expect(refused('color-scheme', 'scheme')).rejects.toThrow('does not allow its own style');
});

test('a network that is too large for a page is refused', async () => {
  const { model, session } = await exported(networks.same!);
  await session.dispose();
  const { layers } = model.graph;
  const dense = layers.at(-1)!;
  const weight = { name: 'w', shape: [1, 51e6], data: new Float32Array(51e6) };
  const graph = {
    ...model.graph,
    layers: [
      ...layers.slice(0, -1),
      { ...dense, operation: { kind: 'dense', weight, bias: undefined } as const },
    ],
  };
  expect(() => encodeHtml({ ...model, graph })).toThrow(
    /^Expected a network of at most 200 MB of weights for a page, but this has 204 MB; export it as ONNX/,
  );
});

test('names of classes are text, whatever is in them', async () => {
  const classNames = ['</script><script>alert(1)</script>', '<!--', '"&amp;\u2028'];
  const network: Network = { ...networks.same!, classNames };
  const { model, session } = await exported(network);
  await session.dispose();
  const text = Buffer.concat(encodeHtml(model)).toString();
  expect(text).not.toContain('<script>alert');
  const [, json] = /<script id="model" type="application\/json">(.*?)<\/script>/s.exec(text)!;
  expect((JSON.parse(json!) as PageModel).classNames).toEqual(classNames);
  openHtml(Buffer.from(text));
});

test('the verdict is that of predict, on both sides of a threshold', () => {
  const two: Network = {
    input: { height: 1, width: 1, channels: 3, fit: 'cover' },
    normalization: { mean: [0, 0, 0], std: [1, 1, 1] },
    layers: [{ type: 'flatten' }, { type: 'dense', name: 'fc', outFeatures: 2 }],
    classNames: ['a', 'b'],
  };
  for (const threshold of [undefined, 0.2, 0.7]) {
    for (let shade = 0; shade < 256; shade += 15) {
      const weights = new Uint8Array(Float32Array.of(1, 0, 0, -1, 0, 0, -0.4, 0).buffer);
      const number = (offset: number, length: number) => ({ offset, length, isHalf: false });
      const shape = { channels: 3, height: 1, width: 1, flat: true };
      const operation = {
        kind: 'dense',
        weight: { shape: [2, 3], data: number(0, 6) },
        bias: { shape: [2], data: number(24, 2) },
      };
      const graph = { image: shape, layers: [{ inputs: [0], input: shape, output: shape, operation }] };
      const calibration = { temperature: 0.5, threshold, unsureBelow: 0.6 };
      const own = openModel({ ...two, ...calibration, graph }, weights)([shade, 0, 0]);
      const probabilities = Float64Array.from(own.probabilities);
      const verdict = verdictOf({ classNames: ['a', 'b'], calibration, unsure: false }, probabilities, 0);
      expect(own.probabilities[0]).toBeCloseTo(1 / (1 + Math.exp(-((2 * shade) / 255 - 0.4) / 0.5)), 5);
      expect(two.classNames[own.guess]).toBe(verdict.guess);
      expect([own.certainty, own.isUnsure]).toEqual([verdict.certainty, verdict.unsure]);
    }
  }
});

/** A picture with edges and gradients, as a photo has them. */
function pictureOf(width: number, height: number): Buffer {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const wave = 60 * Math.sin(x / 9 + y / 23) + 40 * Math.sin((x * y) / 900);
      const edge = (x - width / 2) ** 2 + (y - height / 3) ** 2 < (height / 4) ** 2 ? 60 : 0;
      pixels.set([110 + wave + edge, 90 + edge + (60 * y) / height, 150 - wave], (y * width + x) * 3);
    }
  return pixels;
}

test.each(['cover', 'contain', 'fill'] as const)(
  '%s: pixels are those of sharp, of JPEG and of PNG',
  async (fit) => {
    // Sides that no block divides, in both directions, and one that is enlarged.
    for (const [width, height, size] of [
      [349, 500, 32],
      [500, 333, 64],
      [401, 301, 150],
      [700, 90, 40],
      [20, 31, 48],
    ] as const) {
      const raw = sharp(pictureOf(width, height), { raw: { width, height, channels: 3 } });
      for (const isJpeg of [true, false]) {
        const bytes = await (isJpeg ? raw.clone().jpeg({ quality: 92 }) : raw.clone().png()).toBuffer();
        const { data } = await sharp(bytes).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
        const resizer = new SquareResizer({ width, height }, { width: size, height: size, fit, isJpeg });
        // In pieces, as the page gives them.
        for (let from = 0; from < data.length; from += width * 4 * 100)
          resizer.add(data.subarray(from, from + width * 4 * 100));
        const own = resizer.finish();
        const theirs = await decodeImage(bytes, { size, fit });
        const mean = own.reduce((sum, value, i) => sum + Math.abs(value - theirs[i]!), 0) / own.length;
        // Enlarging is not quite the same; nor is a JPEG that libjpeg makes smaller while it decodes.
        const found = mean < (width < size ? 3 : isJpeg ? 1.5 : 0.7) || mean;
        expect({ width, size, isJpeg, found }).toEqual({ width, size, isJpeg, found: true });
      }
    }
  },
);

test('the heat map adds up to the logits that it explains', async () => {
  // Without biases after the map, activation times gradient is the logit itself.
  const network: Network = {
    ...networks.same!,
    layers: [
      { type: 'conv2d', name: 'c', outChannels: 5, kernelSize: 3, stride: 2 },
      { type: 'relu' },
      { type: 'flatten' },
      { type: 'dense', name: 'one', outFeatures: 9, bias: false },
      { type: 'relu6' },
      { type: 'dropout', rate: 0.4 },
      { type: 'dense', name: 'two', outFeatures: 3, bias: false },
    ],
  };
  const { model, session } = await exported(network);
  await session.dispose();
  const image = Float32Array.from(images(network, 1), (value) => value / 128 - 1);
  const values = runGraph(model.graph, image, explainedValues(model.graph));
  const logits = values.at(-1)!;
  for (const answer of [0, 1, 2]) {
    const heat = explain(model.graph, values, answer)!;
    expect([heat.height, heat.width, heat.values.length]).toEqual([7, 10, 70]);
    const others = logits.reduce((sum, value) => sum + value, 0) - logits[answer]!;
    const total = heat.values.reduce((sum, value) => sum + value, 0);
    expect(total).toBeCloseTo(logits[answer]! - others / 2, 5);
  }
  // After a sum there is no such map.
  expect(explainedValues((await exported(networks.residual!)).model.graph)).toEqual([]);
});

test.skipIf(!chromium)('in Chromium, from a file: chosen, pasted, dropped, and from the camera', async () => {
  const network: Network = {
    ...networks.same!,
    ...{
      input: { height: 20, width: 20, channels: 3, fit: 'cover' },
      classNames: ['bird', 'not-bird', 'cat'],
    },
  };
  const { model, session } = await exported(network);
  // Cold, so that probabilities differ from image to image.
  model.calibration.temperature = 0.02;
  const path = join(folder, 'page.html');
  writeFileSync(path, Buffer.concat(encodeHtml(model)));
  const photos = join(folder, 'photos');
  mkdirSync(photos);
  const raw = sharp(pictureOf(300, 200), { raw: { width: 300, height: 200, channels: 3 } });
  const files = ['turned.jpg', 'clear.png', 'broken.png'].map((name) => join(photos, name));
  await raw.clone().withMetadata({ orientation: 6 }).jpeg().toFile(files[0]!);
  await raw.clone().ensureAlpha(0.5).png().toFile(files[1]!);
  writeFileSync(files[2]!, 'no picture');
  const page = await openPage(pathToFileURL(path).href);
  try {
    await page.until("document.body?.classList.contains('ready')");
    await page.chooseFiles('#file', files);
    await page.until(
      "document.querySelectorAll('.card').length === 3 && !document.querySelector('.waiting')",
    );
    type Card = { name: string; title: string; shares: Record<string, number> };
    const cards = await page.evaluate<Card[]>(`[...document.querySelectorAll('.card')].map((card) => ({
      name: card.querySelector('.file').textContent, title: card.querySelector('.answer').textContent,
      shares: Object.fromEntries([...card.querySelectorAll('dt')].map((name) =>
        [name.textContent, Number(name.nextSibling.querySelector('.share').style.getPropertyValue('--share'))])) }))`);
    expect(cards.map(({ name }) => name)).toEqual(['turned.jpg', 'clear.png', 'broken.png']);
    expect(cards[2]!.title).toBe('not readable');
    for (const [i, file] of files.slice(0, 2).entries()) {
      const logits = await session.predict(
        await decodeImage(readFileSync(file), { size: 20, fit: 'cover' }),
        1,
      );
      const expected = softmax(scaled(logits, 0.02), 3);
      for (const [k, name] of network.classNames.entries())
        expect(Math.abs(cards[i]!.shares[name]! - expected[k]!)).toBeLessThan(0.02);
    }
    const [first, second] = cards.map(({ shares }) => shares.bird!);
    expect(Math.abs(first! - second!)).toBeGreaterThan(0.05);
    const paste = `(async () => {
      const blob = await new Promise((done) => document.querySelector('.picture canvas').toBlob(done));
      const data = new DataTransfer();
      data.items.add(new File([blob], 'moved.png', { type: 'image/png' }));
      document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true }));
    })()`;
    await page.evaluate(paste);
    await page.until(
      "document.querySelectorAll('.card').length === 5 && !document.querySelector('.waiting')",
    );
    await page.evaluate("document.getElementById('camera').click()");
    await page.until("document.getElementById('live-answer').textContent !== ''");
    await page.evaluate("document.getElementById('shutter').click()");
    await page.until("document.querySelectorAll('.card').length === 6");
    await page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))");
    await page.until("document.getElementById('live').hidden");
    await page.evaluate('document.querySelector(\'[aria-label="Remove moved.png"]\').click()');
    expect(await page.evaluate("document.querySelectorAll('.card').length")).toBe(5);
    expect(page.requests).toEqual([pathToFileURL(path).href]);
    expect(page.complaints).toEqual([]);
  } finally {
    await page.close();
    await session.dispose();
  }
});
