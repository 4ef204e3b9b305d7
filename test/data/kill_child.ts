/** A process that loads a data set, counts its steps at each stage, and may kill itself at one of them. */
import { createHash } from 'node:crypto';
import promises, { type FileHandle, open, readFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dataset, type DatasetOptions, loadDataset } from '../../src/data/dataset.ts';

/** When to die: before a step, counted from 0 at its stage; or so many milliseconds after that. */
export interface Death {
  stage: string;
  step: number;
  milliseconds: number;
}

const [given, death] = process.argv.slice(2).map((text) => JSON.parse(text)) as [DatasetOptions, Death?];
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const die = () => process.kill(process.pid, 'SIGKILL');

/** As the data set tells it; what makes a file whole is a stage of its own within. */
let stage = 'start';
let said = '';
const steps: Record<string, number> = {};

function step(at = stage): void {
  if (at !== said) say({ stage: at });
  said = at;
  const count = steps[at] ?? 0;
  steps[at] = count + 1;
  if (!death || death.stage !== at || death.step !== count) return;
  if (death.milliseconds === 0) die();
  else void sleep(death.milliseconds).then(die);
}

type Method = (...words: unknown[]) => unknown;

/** Each call of what reads or changes files is a step. */
function watch(owner: object, names: string[], stageOf: (words: unknown[]) => string | undefined): void {
  const methods = owner as Record<string, Method>;
  for (const name of names) {
    const method = methods[name]!;
    methods[name] = function (this: unknown, ...words: unknown[]) {
      step(stageOf(words));
      return method.apply(this, words);
    };
  }
}

const isPixels = (word: unknown) => /pixels-[^/]*\/[^/.]*\.(pixels|json)$/.test(String(word));
const handle: FileHandle = await open(process.execPath);
watch(Object.getPrototypeOf(handle), ['read', 'write', 'writev', 'writeFile', 'appendFile'], () => undefined);
watch(Object.getPrototypeOf(handle), ['sync'], () => (stage === 'decode' ? 'seal' : undefined));
await handle.close();
watch(promises, ['open', 'rm', 'mkdir', 'writeFile', 'readFile', 'symlink', 'utimes'], () => undefined);
watch(promises, ['rename'], ([, to]) => (isPixels(to) ? 'seal' : undefined));
syncBuiltinESMExports();

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

const dataset = await loadDataset({
  ...given,
  onProgress: (progress) => {
    stage = progress.stage;
    step();
  },
});
stage = 'end';
const { hash, lock } = dataset;
const pixels = await pixelHash(dataset, given.imageSize ** 2 * 3);
say({ steps });
say({ hash, pixels, lock: lock?.root });
