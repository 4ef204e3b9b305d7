/** What several ranks compare before they train together, and what they leave behind when one fails. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { saveFile } from '../base/files.ts';
import { version } from '../base/version.ts';
import { loadAddon } from '../model/addon.ts';
import { type ChosenDevice, chooseDevice } from '../model/device.ts';
import type { Network } from '../model/network.ts';
import { kebab, type TrainOptions } from '../options.ts';
import type { Ranks } from '../ranks/ranks.ts';
import type { RunDescription } from './run_description.ts';

/** @throws UserError with exit code 2 on all ranks, where they differ */
export async function compareMachines(ranks: Ranks, given: Partial<TrainOptions>): Promise<void> {
  const here = await ranks.together(() => deviceOf(given.device ?? 'auto', ranks));
  await ranks.compare({
    'version of birbs-metal': version(),
    'kind of machine': `${process.platform}-${process.arch}`,
    device: `${here.name} (${here.description})`,
    ...Object.fromEntries(Object.entries(given).map(([name, value]) => [`--${kebab(name)}`, value])),
  });
}

/** Where to train: several ranks only on a CPU, which `auto` takes then. */
export async function deviceOf(
  asked: TrainOptions['device'],
  ranks: Ranks | undefined,
): Promise<ChosenDevice> {
  const devices = await loadAddon().devices();
  if (!ranks || asked === 'portable' || asked === 'cpu') return chooseDevice(asked, devices);
  if (asked === 'metal')
    throw new UserError(
      `Expected --device cpu for the ${ranks.size} processes of this run, but found metal, which trains in one process; leave out --device, or start one process`,
      2,
    );
  return { ...chooseDevice('cpu', devices), reason: 'several processes train on CPUs' };
}

/** @throws UserError with exit code 2 where a rank would have no image of a batch */
export function checkParts({ size }: Ranks, batchSize: number): void {
  if (size <= batchSize) return;
  throw new UserError(
    `Expected at most ${batchSize} processes, the images of a batch, but found ${size}; start fewer, or choose a larger --batch-size`,
    2,
  );
}

/** @throws UserError with exit code 2 on all ranks, where they differ */
export async function compareData(ranks: Ranks, dataHash: string, network: Network): Promise<void> {
  await ranks.compare({ 'images (by their checksum)': dataHash.slice(0, 16), network });
}

/** What is to be known of a run that goes on with another number of processes. */
export function sizeRemark(description: Record<string, unknown>, ranks: Ranks | undefined): string[] {
  const before = (description as Partial<RunDescription>).ranks?.size ?? 1;
  const now = ranks?.size ?? 1;
  const processes = (count: number) => `${count} process${count === 1 ? '' : 'es'}`;
  if (before === now) return [];
  return [
    `It was trained by ${processes(before)} and goes on with ${processes(now)}: the same images in the same order, sums rounded differently`,
  ];
}

/** Writes `rank-K.log` where this rank failed by itself: the first rank only hears a sentence. */
export async function keepFailure(ranks: Ranks, folder: string, error: unknown): Promise<void> {
  if (ranks.knowsAll(error) || isOthers(error)) return;
  // The others are to know at once, not after the file.
  ranks.fail(error);
  const isHere = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const place = isHere ? folder : '.';
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = `${new Date().toISOString()} ${ranks.name(ranks.rank)}, birbs-metal ${version()}\n${text}\n`;
  await mkdir(place, { recursive: true })
    .then(() => saveFile(join(place, `rank-${ranks.rank}.log`), Buffer.from(lines)))
    .catch(() => {});
}

/** Whether an error only says that another rank has failed. */
export function isOthers(error: unknown): boolean {
  return error instanceof Error && /\brank \d+ (failed|has not answered)/.test(error.message);
}
