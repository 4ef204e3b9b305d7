/** The page of a served model in a browser, by keys alone. Without Chromium there is nothing to see. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pictureFolder, temporaryFolder } from '../images.ts';
import { type Browser, openBrowser } from '../report/browser.ts';
import { type Served, serveModel, writeTinyModel } from './served.ts';

const folder = temporaryFolder('serve-page');
const corrections = join(folder, 'corrections');
let browser: Browser | undefined;
let server: Served;

beforeAll(async () => {
  await pictureFolder(join(folder, 'photos'), 3, 1);
  server = await serveModel(await writeTinyModel(folder), corrections);
  browser = await openBrowser(join(folder, 'profile'));
});
afterAll(async () => {
  await browser?.close();
  await server.close();
  rmSync(folder, { recursive: true, maxRetries: 5 });
});

const text = (selector: string) => browser!.evaluate(`document.querySelector('${selector}').textContent`);

async function until(selector: string, pattern: RegExp): Promise<void> {
  for (let i = 0; i < 300 && !pattern.test(String(await text(selector))); i++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await text(selector)).toMatch(pattern);
}

test('pictures are answered, corrected with one key and taken back with one', async ({ skip }) => {
  if (!browser) return skip();
  const { requests, complaints } = await browser.open(`${server.url}/`, { width: 390, dark: true });
  expect(requests.every((url) => url.startsWith(server.url))).toBe(true);
  expect(complaints).toEqual([]);
  const paths = [0, 1, 2].map((i) => join(folder, 'photos/bird', `${i}.png`));
  await browser.chooseFiles('#files', [...paths, join(folder, 'tiny.safetensors')]);
  await until('#status', /^4 images answered, 3 unsure\.$/);
  expect(await text('.failed .said')).toMatch(/^can not be used: it is of an unknown type, not JPEG/);

  await browser.press('1');
  await until('#status', /^0\.png is bird\. Saved as bird\/0\.png\. U takes it back\.$/);
  await browser.press('2');
  await until('#status', /^1\.png is not-bird\. Saved as not-bird\/1\.png/);
  await until('#count', /^2 corrections$/);
  expect(readdirSync(join(corrections, 'not-bird'))).toEqual(['1.png']);
  await browser.press('u');
  await until('#status', /^Taken back: not-bird\/1\.png\.$/);
  expect(await browser.evaluate('document.activeElement.getAttribute("aria-label")')).toMatch(
    /^1\.png, .*unsure$/,
  );
  expect(readdirSync(join(corrections, 'not-bird'))).toEqual([]);

  // Without a click first.
  const file = "new File(['plain words'], 'NAME.txt')";
  const transfer = `(() => { const all = new DataTransfer(); all.items.add(${file}); return all; })()`;
  const dispatch = (type: string, name: string, init: string) =>
    browser!.evaluate(
      `document.body.dispatchEvent(new ${type}('${name}', { bubbles: true, cancelable: true, ${init}: ${transfer.replace('NAME', name)} })) && null`,
    );
  await dispatch('ClipboardEvent', 'paste', 'clipboardData');
  await until('#status', /^5 images answered/);
  await dispatch('DragEvent', 'drop', 'dataTransfer');
  await until('#status', /^6 images answered/);
  expect(await text('.card:last-child .name')).toBe('drop.txt');
  expect(await browser.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  expect(
    await browser.evaluate(
      '[...document.querySelectorAll("button, input, .card")].filter((one) => !(one.getAttribute("aria-label") || one.closest("label") || one.textContent)).length',
    ),
  ).toBe(0);
});
