/** The command that fetches and verifies images without training, and says what is inside. */

import { cacheFolder } from './base/cache_folder.ts';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { printable, quote } from './base/words.ts';
import { checkCommand } from './check.ts';
import { type Dataset, loadDataset } from './data/dataset.ts';
import { FACTS, type Inventory, inventoryLines, presetLines } from './data/inventory.ts';
import { LOCK_FILE } from './data/lock/lock.ts';
import { type RecipeName, recipes } from './data/recipes.ts';
import { splitDataset } from './data/split.ts';
import { completeTrain, type DataOptions, parseData, type TrainOptions } from './options.ts';
import { usualImageSize } from './run/choose_network.ts';
import { checkNetwork } from './run/resolve_options.ts';
import { reporter } from './ui/console.ts';

/** The command: prints what is inside, and answers with the exit code. */
export async function dataCommand(
  words: string[],
  signal: AbortSignal,
  { command = 'npx tsx src/data.ts', train = 'npx tsx src/train.ts' } = {},
): Promise<number> {
  if (words[0] === 'check') return checkCommand(words.slice(1), signal, { command: `${command} check` });
  const line = parseData(words, command);
  if ('print' in line) return print(line.print.split('\n'));
  const { preset, values } = line;
  if ([values.data, values.birds, values.notBirds, values.val].every((list) => list.length === 0)) {
    return print(values.json ? [JSON.stringify(recipes)] : presetLines(command));
  }
  const inventory = await takeStock(values, preset, signal);
  if (values.json) return print([JSON.stringify(inventory)]);
  return print(inventoryLines(inventory, trainLine(train, words, preset)));
}

/** How to train on the same images. */
function trainLine(train: string, words: string[], preset: RecipeName | undefined): string {
  const only = new Set<string | undefined>(['--update-lock', '--verify', preset]);
  const rest = words.filter((word) => !only.has(word)).map(quote);
  return [train, ...(preset ? ['--preset', preset] : []), ...rest].join(' ');
}

async function takeStock(
  values: DataOptions,
  preset: RecipeName | undefined,
  signal: AbortSignal,
): Promise<Inventory> {
  const report = reporter(values.json ? 'none' : 'plain', process.stdout, '');
  const sources = [...values.data, ...values.birds, ...values.notBirds];
  const dataset = await loadDataset({
    ...values,
    imageSize: values.imageSize ?? usualImageSize(sources),
    validation: values.val,
    cacheDir: values.cache ?? cacheFolder(),
    lock: values.lock ?? LOCK_FILE,
    onProgress: (progress) => report({ type: 'reading', ...progress }),
    signal,
  });
  const counts = dataset.classNames.map(() => 0);
  for (const label of dataset.labels) counts[label]! += 1;
  const facts = Object.fromEntries(FACTS.map((name) => [name, dataset[name]]));
  const refusal = await refusalOf(dataset, completeTrain({ preset, imageSize: values.imageSize }));
  return { preset, counts, refusal, ...(facts as Pick<Dataset, (typeof FACTS)[number]>) };
}

/** What `train` would say of these images before its first step. */
async function refusalOf(dataset: Dataset, options: TrainOptions): Promise<string | undefined> {
  try {
    await splitDataset(dataset, { fraction: options.valFraction, seed: options.seed });
    checkNetwork(options, dataset.classNames);
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.message;
  }
}

function print(lines: string[]): 0 {
  const passing = process.stdout.isTTY ? '\r\x1b[K' : '';
  process.stdout.write(`${passing}${lines.map(printable).join('\n')}\n`);
  return 0;
}

if (isMain(import.meta.url)) void runCommand(dataCommand);
