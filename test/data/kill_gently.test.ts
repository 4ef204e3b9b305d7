/** Ctrl-C at every stage on the way to the first step: 130, one sentence, and what was whole is kept. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { loadWeights } from '../../src/export/weights.ts';
import { picture, run } from '../images.ts';
import { startHub } from './hub_server.ts';
import { parquet, testFolder } from './made.ts';
import { tarGzOf } from './made_archives.ts';

const IMAGES = 40;

/** Runs a training, with Ctrl-C as soon as the pattern is in what it says. */
function interrupted(words: string[], pattern: RegExp) {
  let done = false;
  return run('train.ts', words, {
    onOutput: (stdout, kill) => {
      if (done || !pattern.test(stdout)) return;
      done = true;
      kill('SIGINT');
    },
  });
}

test('download, unpacking, decoding, first steps', async () => {
  const folder = testFolder();
  const images = await Promise.all(Array.from({ length: 3 * IMAGES }, (_, i) => picture(i % 2 === 0, i, 64)));
  const labels = images.map((_, i) => (i % 2 ? 'not-bird' : 'bird'));
  const shard = (begin: number) =>
    parquet({
      images: images.slice(begin, begin + IMAGES / 2),
      labels: labels.slice(begin, begin + IMAGES / 2),
    });
  const files = { 'a.parquet': shard(0), 'b.parquet': shard(IMAGES / 2) };
  const hub = await startHub({ 'owner/birds': { files } });
  hub.faults.push({ on: 'cdn', kind: 'drip', bytes: 1000, pauseMs: 5 });
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_HUB_CACHE', join(folder, 'hub'));
  const packed = images
    .slice(IMAGES, 2 * IMAGES)
    .map((image, i) => [`${labels[i]}/${i}.png`, image] as const);
  writeFileSync(
    join(folder, 'set.tar.gz'),
    await tarGzOf([...packed.map(([name, image]): [string, Buffer] => [name, image])]),
  );
  for (const [i, image] of images.slice(2 * IMAGES).entries()) {
    mkdirSync(join(folder, 'photos', labels[i]!), { recursive: true });
    writeFileSync(join(folder, 'photos', labels[i]!, `${i}.png`), image);
  }
  let runs = 0;
  const words = () => [
    ...['--data', 'hf:owner/birds', '--data', join(folder, 'set.tar.gz'), '--data', join(folder, 'photos')],
    ...[
      '--cache',
      join(folder, 'cache'),
      '--lock',
      join(folder, 'lock.json'),
      '--run',
      join(folder, `run${++runs}`),
    ],
    ...'--image-size 16 --batch-size 8 --device cpu --ui json --epochs 10000'.split(' '),
  ];
  for (const stage of ['download', 'unpack', 'decode']) {
    const ended = await interrupted(words(), new RegExp(`"stage":"${stage}"`));
    expect(ended, stage).toMatchObject({ code: 130, signal: null, stderr: 'Interrupted.\n' });
    expect(ended.stdout).not.toContain('"type":"step"');
  }
  const ended = await interrupted(words(), /"type":"step"/);
  expect(ended).toMatchObject({ code: 130, signal: null, stderr: '' });
  const { values } = await loadWeights(join(folder, 'run4/last.safetensors'));
  expect(values.every(Number.isFinite)).toBe(true);
  // Nothing of the shards came twice but what was on its way.
  for (const [path, bytes] of Object.entries(files)) expect(hub.sent[path]!).toBeLessThan(1.5 * bytes.length);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  expect(names.filter((name) => /\.(tmp|incomplete)$/.test(name))).toEqual([]);
});
