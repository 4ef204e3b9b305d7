/** Each recipe against a hub with the documented files: what comes of it, and that other files are refused. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';
import { publishedFiles, type RecipeName, recipes } from '../../src/data/recipes.ts';
import { completeTrain } from '../../src/options.ts';
import { type DocumentedHub, documentedHub } from './documented_hub.ts';
import { outcome, testFolder } from './made.ts';

let hub: DocumentedHub;
let folder: string;
const known = { ...publishedFiles };
const start = process.cwd();

beforeAll(async () => {
  hub = await documentedHub();
});
afterAll(() => hub.close());
beforeEach(() => {
  folder = testFolder();
  vi.unstubAllEnvs();
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_HOME', join(folder, 'hf'));
  for (const name of ['HF_TOKEN', 'HF_TOKEN_PATH', 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HUB_OFFLINE'])
    vi.stubEnv(name, undefined);
  Object.assign(publishedFiles, hub.published);
  process.chdir(folder);
  return () => process.chdir(start);
});

const load = (preset: RecipeName, more: Partial<DatasetOptions> = {}) => {
  const options = completeTrain({ preset });
  const { imageSize = 64, fit, val: validation } = options;
  const lock = 'birbs.lock.json';
  return loadDataset({
    ...options,
    validation,
    imageSize,
    fit,
    cacheDir: join(folder, 'cache'),
    lock,
    ...more,
  });
};
const locked = () => JSON.parse(readFileSync('birbs.lock.json', 'utf8'));

describe('recipes', () => {
  test('quick: one file of STL-10, whole, at its commit', async () => {
    const { sources, lock, classNames } = await load('quick');
    expect(classNames).toEqual(['bird', 'not-bird']);
    expect(sources[0]!.counts).toEqual({ bird: 12, 'not-bird': 108 });
    const [commit] = Object.keys(known)
      .filter((key) => key.startsWith('tanganke'))
      .map((key) => key.split('@')[1]);
    expect(lock!.sources[0]).toMatchObject({ files: 1, revision: commit });
    expect(Object.keys(hub.sent).filter((path) => path.startsWith('data/'))).toEqual([
      'data/train-00000-of-00001.parquet',
    ]);
  });

  test('cifar10-birds: the test set validates, at 32 pixels', async () => {
    const { sources, validation, pixelFiles } = await load('cifar10-birds');
    expect(sources.map(({ counts }) => counts)).toEqual([
      { bird: 12, 'not-bird': 108 },
      { bird: 6, 'not-bird': 54 },
    ]);
    expect(validation!.reduce((sum, one) => sum + one, 0)).toBe(60);
    expect(pixelFiles[0]).toContain('pixels-32-');
  });

  test('birbs: the archive that the user brought, against Honey without what speaks of birds', async () => {
    mkdirSync('data');
    writeFileSync('data/nabirds.tar.gz', hub.nabirds);
    const { sources, filtered, lock } = await load('birbs');
    expect(sources.map(({ counts }) => counts)).toEqual([{ bird: 50 }, { 'not-bird': 54 }]);
    expect(filtered.length).toBe(6);
    expect(filtered[0]!.reason).toContain('owl');
    expect(lock!.sources[1]).toMatchObject({ files: 1, revision: hub.commit('Open-Bee/Honey-Data-15M') });
    // No commit is in the recipe: the lock stays on the one of the first use.
    const before = locked();
    hub.publish('Open-Bee/Honey-Data-15M', { 'README.md': 'all is gone' });
    await load('birbs');
    expect(locked()).toEqual(before);
    // Until it is told to look again.
    expect(await outcome(load('birbs', { updateLock: true }))).toContain('General/Objects365');
  });

  test('birbs without the archive says where it is to be had', async () => {
    expect(await outcome(load('birbs'))).toContain('https://dl.allaboutbirds.org/nabirds');
  });

  test('demo', () => {
    expect(recipes.demo.options).toEqual({ data: ['demo'] });
  });
});

test('other bytes than the published ones are refused, and can be accepted', async () => {
  Object.assign(publishedFiles, known);
  const said =
    'UserError: Expected the bytes that were published, but hf:tanganke/stl10:data/train-00000-of-00001.parquet has others; run again with --update-lock to accept';
  expect(await outcome(load('quick'))).toBe(said);
  expect(existsSync('birbs.lock.json')).toBe(false);
  await load('quick', { updateLock: true });
  // They are in the lock now.
  const { lock } = await load('quick');
  expect(lock).toMatchObject({ written: false, root: locked().root });
});

test('what the recipes are pinned by is what hashes look like', () => {
  for (const [key, files] of Object.entries(known)) {
    expect(key).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
    for (const sum of Object.values(files)) expect(sum).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(recipes)).toContain(`hf:${key}:`);
  }
});
