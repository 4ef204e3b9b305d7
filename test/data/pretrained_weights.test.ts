/** Pretrained weights from the hub, against a hub of this machine. */
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { WeightsLock } from '../../src/data/lock/weights_lock.ts';
import { fetchPretrained } from '../../src/data/pretrained_weights.ts';
import { WEIGHTS_FILE } from '../../src/model/pretrained.ts';
import { noise, sha256 } from './hub_opened.ts';
import { type Hub, startHub } from './hub_server.ts';
import { testFolder } from './made.ts';

const REPOSITORY = 'timm/tf_efficientnet_lite0.in1k';
const weights = noise(100_000, 1);

afterEach(() => vi.unstubAllEnvs());

async function begin(files: Record<string, Uint8Array | string> = { [WEIGHTS_FILE]: weights }) {
  const hub = await startHub({ [REPOSITORY]: { files: { 'config.json': '{}', ...files } } });
  const folder = testFolder();
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'shared'));
  vi.stubEnv('HF_TOKEN', '');
  const lock = () => new WeightsLock(join(folder, 'birbs.lock.json'), false);
  const options = { cacheDir: join(folder, 'own'), lock: lock() };
  return { hub, folder, lock, options };
}

function bytesSent(hub: Hub): number {
  return Object.values(hub.sent).reduce((a, b) => a + b, 0);
}

test('are fetched once, checked, and named with their commit and licence', async () => {
  const { hub, options } = await begin();
  const progress: (number | undefined)[] = [];
  const found = await fetchPretrained('lite0', {
    ...options,
    onProgress: ({ stage, bytes }) => stage === 'download' && progress.push(bytes),
  });
  const commit = hub.commit(REPOSITORY);
  expect(found).toMatchObject({
    sha256: sha256(weights),
    source: `hf:${REPOSITORY}@${commit}`,
    licence: 'Apache-2.0',
  });
  expect(progress.at(-1)).toBe(weights.length);
  const sent = bytesSent(hub);
  expect(await fetchPretrained('lite0', options)).toEqual(found);
  expect(bytesSent(hub)).toBe(sent);
});

test('the lock keeps a run on the commit of the first, until it is told otherwise', async () => {
  const { hub, folder, options } = await begin();
  const first = await fetchPretrained('lite0', options);
  hub.publish(REPOSITORY, { [WEIGHTS_FILE]: noise(100_000, 2) });
  expect(await fetchPretrained('lite0', options)).toEqual(first);
  const lock = new WeightsLock(join(folder, 'birbs.lock.json'), true);
  const second = await fetchPretrained('lite0', { ...options, lock });
  expect(second.sha256).toBe(sha256(noise(100_000, 2)));
  expect(await fetchPretrained('lite0', options)).toEqual(second);
});

test('without a network they come from the cache, or a sentence says what is missing', async () => {
  const { hub, folder, options } = await begin();
  const first = await fetchPretrained('lite0', options);
  await hub.close();
  expect(await fetchPretrained('lite0', options)).toEqual(first);
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'empty'));
  await expect(fetchPretrained('lite0', { ...options, lock: undefined, impatient: true })).rejects.toThrow(
    new RegExp(`hf:${REPOSITORY}.*check the network`),
  );
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  await expect(fetchPretrained('lite0', options)).rejects.toThrow(/HF_HUB_OFFLINE/);
});

test.each([
  [
    'a gated repository',
    async (hub: Hub) => hub.faults.push({ on: 'info', kind: 'status', status: 404 }),
    /the model "timm/,
  ],
  ['a file that is gone', async (hub: Hub) => hub.publish(REPOSITORY, { 'other.txt': '' }), /--pretrained/],
  [
    'wrong bytes',
    async (hub: Hub) => hub.faults.push({ on: 'cdn', kind: 'wrong', at: 5 }),
    /other bytes than the hub says/,
  ],
])('%s is told in a sentence', async (_, harm, message) => {
  const { hub, options } = await begin();
  await harm(hub);
  await expect(fetchPretrained('lite0', options)).rejects.toThrow(message);
});
