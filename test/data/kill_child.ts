/** A process that loads a data set, says which stage it is at, and may be killed while it does. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Dataset, type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';

/** Over the pixels of all images, in their order. */
async function pixelHash({ pixelFiles, rows }: Dataset, imageBytes: number): Promise<string> {
  const files = await Promise.all(pixelFiles.map((path) => readFile(path)));
  const firsts: number[] = [];
  for (const [i, file] of files.entries()) {
    firsts.push(i === 0 ? 0 : firsts[i - 1]! + (files[i - 1]!.length - 4096) / imageBytes);
    if (file.length < 4096) throw new Error(`${pixelFiles[i]} is no pixel file`);
  }
  const hash = createHash('sha256');
  for (const row of rows) {
    const file = firsts.findLastIndex((first) => first <= row);
    const begin = 4096 + (row - firsts[file]!) * imageBytes;
    hash.update(files[file]!.subarray(begin, begin + imageBytes));
  }
  return hash.digest('hex');
}

const given = JSON.parse(process.argv[2]!) as DatasetOptions;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
let stage = 'start';
say({ stage });
const dataset = await loadDataset({
  ...given,
  onProgress: (progress) => {
    if (progress.stage !== stage) say({ stage: progress.stage });
    stage = progress.stage;
  },
});
say({
  hash: dataset.hash,
  pixels: await pixelHash(dataset, given.imageSize ** 2 * 3),
  lock: dataset.lock?.root,
});
