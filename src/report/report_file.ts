/** `report.html` in the run folder: written as the run goes, so that whatever ends it there is one. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { saveFile } from '../base/files.ts';
import type { Dataset } from '../data/dataset.ts';
import { heatPicture } from '../page/heat_picture.ts';
import { type PixelSource, thumbnails } from '../page/thumbnails.ts';
import type { RunReport } from '../run/record.ts';
import type { RunDescription } from '../run/run_description.ts';
import type { RateSweep } from '../training/find_rate.ts';
import type { Results } from '../training/results.ts';
import { noTime } from '../training/stopwatch.ts';
import type { LogLine } from '../training/train_events.ts';
import { buildStory } from './build_story.ts';
import { renderCard } from './model_card.ts';
import { renderReport } from './render_report.ts';

export interface ReportFacts {
  folder: string;
  description: RunDescription;
  dataset: Pick<Dataset, 'names' | 'labels' | 'classNames' | 'stream'>;
  images: PixelSource;
  /** Of the network. */
  weights: number;
}

/** What somebody who gets the model should know of it. */
export const CARD_FILE = 'card.md';

/** Milliseconds from one report of a running training to the next. */
const PERIOD_MS = 60_000;

export function openReport({ folder, description, dataset, images, weights }: ReportFacts): RunReport {
  const { names, labels, classNames } = dataset;
  const made = new Map<number, string>();
  let written = Number.NEGATIVE_INFINITY;
  return {
    isDue: () => performance.now() - written > PERIOD_MS,
    async write(lines, results, reason) {
      written = performance.now();
      // Where the images are not kept, they would have to be read and decoded again: at the end, once.
      const isCostly = dataset.stream !== undefined && results.status === 'running';
      const shown = isCostly ? [] : picturesOf(lines, results.best?.epoch);
      const missing = shown.filter((position) => !made.has(position));
      // A picture that can't be had is no reason to be without a report.
      const uris = await thumbnails(images, missing).catch(() => []);
      for (const [i, uri] of uris.entries()) made.set(missing[i]!, uri);
      for (const position of made.keys()) if (!shown.includes(position)) made.delete(position);
      const heats = isCostly
        ? new Map<number, string>()
        : await heatPictures(images, lines, results.best?.epoch);
      const story = buildStory({
        folder,
        description,
        lines,
        results,
        reason,
        weights,
        rateSweep: await readSweep(folder),
        nameOf: (position) => names[position] ?? `image ${position}`,
        labelOf: (position) => classNames[labels[position] ?? -1] ?? '?',
        thumbnailOf: (position) => made.get(position),
        heatOf: (position) => heats.get(position),
      });
      await saveFile(join(folder, 'report.html'), renderReport(story));
      if (results.status !== 'running') await saveFile(join(folder, CARD_FILE), renderCard(story));
    },
  };
}

/** What `--find-lr` left, maybe in an earlier process. */
async function readSweep(folder: string): Promise<RateSweep | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'find-lr.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** By position, the mistakes of the best epoch with what spoke for them. */
async function heatPictures(
  images: PixelSource,
  lines: LogLine[],
  best: number | undefined,
): Promise<Map<number, string>> {
  const findings = lines.findLast((line) => line.type === 'findings' && line.epoch === best);
  const mistakes = findings?.type === 'findings' ? findings.mistakes : [];
  const explained = mistakes.filter(({ heat }) => heat !== undefined);
  const positions = explained.map(({ position }) => position);
  const { height, width } = images;
  const change = (pixels: Uint8Array, i: number) => heatPicture(pixels, height, width, explained[i]!.heat!);
  const uris = await thumbnails(images, positions, change).catch(() => []);
  return new Map(uris.map((uri, i) => [positions[i]!, uri]));
}

/** Positions of the images that the report shows. */
function picturesOf(lines: LogLine[], best: number | undefined): number[] {
  const findings = lines.filter((line) => line.type === 'findings');
  const shown = findings.find(({ epoch }) => epoch === best);
  const suspects = findings.at(-1)?.suspects ?? [];
  const nearest = (shown?.mistakes ?? []).flatMap((mistake) => mistake.nearest ?? []);
  const all = [...(shown?.mistakes ?? []), ...(shown?.unsure ?? []), ...suspects, ...nearest].map(
    ({ position }) => position,
  );
  const paired = (shown?.pairs ?? []).flatMap(({ mistaken, example }) =>
    example === null ? mistaken : [...mistaken, example],
  );
  return [...new Set([...all, ...paired])];
}

/**
 * The report of a run that ended before its images were read.
 * @param reason why it failed; absent: it was interrupted
 */
export async function reportFailure(
  folder: string,
  description: RunDescription,
  reason: string | undefined,
): Promise<void> {
  const status = reason === undefined ? 'interrupted' : 'failed';
  const results: Results = {
    status,
    stopped: null,
    device: description.device.name,
    classNames: [],
    epochs: 0,
    steps: 0,
    seconds: secondsSince(description.startedAt),
    time: noTime(),
    advice: '',
    imagesPerSecond: 0,
    majorityAccuracy: 0,
    majorityBalancedAccuracy: 0,
    betterThanMajority: false,
    best: null,
    calibration: null,
    levels: null,
    final: null,
    incidents: 0,
    intervals: { best: null, final: null },
  };
  const unknown = () => '';
  const story = buildStory({
    folder,
    description,
    lines: [],
    results,
    reason,
    weights: 0,
    nameOf: unknown,
    labelOf: unknown,
    thumbnailOf: unknown,
  });
  await saveFile(join(folder, 'report.html'), renderReport({ ...story, network: undefined }));
}

function secondsSince(iso: string): number {
  return Math.max(0, (Date.now() - Date.parse(iso)) / 1000) || 0;
}
