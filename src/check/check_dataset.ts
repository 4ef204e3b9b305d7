/** `data check`: looks for problems with the images of some sources. */
import { alikePairs } from '../data/alike.ts';
import { notesOf, type OpenSource } from '../data/assemble.ts';
import { type DatasetOptions, type FilledSources, fillSources } from '../data/dataset.ts';
import type { ClassCount, Report } from './check_result.ts';
import { type CheckedImage, checkedImages } from './checked_images.ts';
import { findingsOf } from './image_problems.ts';

/** The report, and what it takes to show its images. */
export interface Checked {
  report: Report;
  images: CheckedImage[];
  filled: FilledSources;
}

/**
 * Reads every image of the sources, decodes what the cache does not hold yet, and reports.
 * @throws UserError when a source can't be used at all; the signal's reason when it is aborted
 */
export async function checkSources(options: DatasetOptions): Promise<Checked> {
  const filled = await fillSources(options);
  const { opened, cache } = filled;
  const images = checkedImages(opened);
  const usable = images.flatMap(({ problem }, i) => (problem === undefined ? [i] : []));
  const pairs = await alikePairs(
    usable.map((i) => images[i]!),
    cache.folder,
    options.signal,
  );
  const listings = opened.flatMap(({ parts }) => parts.map(({ listing }) => listing));
  const classes = classCounts(images);
  const report: Report = {
    sources: opened.map((source, i) => sourceLine(source, images, i)),
    imageSize: options.imageSize,
    images: images.length,
    readable: usable.length,
    ...notesOf(opened),
    classes,
    formats: formatCounts(images),
    ...dimensionsOf(images),
    findings: findingsOf({
      images,
      classes,
      imageSize: options.imageSize,
      pairs: pairs.map((pair) => ({ ...pair, first: usable[pair.first]!, second: usable[pair.second]! })),
      skipped: listings.flatMap(({ skipped }) => skipped),
      filtered: listings.flatMap(({ filtered }) => filtered ?? []),
    }),
  };
  return { report, images, filled };
}

function sourceLine({ source, parts }: OpenSource, images: CheckedImage[], number: number) {
  return {
    source: source.text,
    images: images.filter((image) => image.source === number).length,
    ignored: parts.reduce((sum, { listing }) => sum + listing.ignored, 0),
  };
}

function classCounts(images: CheckedImage[]): ClassCount[] {
  const classes = new Map<string, ClassCount>();
  for (const { className, validation, problem } of images) {
    if (className === undefined) continue;
    const counts = classes.get(className) ?? { name: className, training: 0, validation: 0 };
    classes.set(className, counts);
    if (problem === undefined) counts[validation ? 'validation' : 'training'] += 1;
  }
  return [...classes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function formatCounts(images: CheckedImage[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { header } of images) {
    if (header && header.format !== '') counts[header.format] = (counts[header.format] ?? 0) + 1;
  }
  return counts;
}

function dimensionsOf(images: CheckedImage[]): Pick<Report, 'dimensions'> {
  const sizes = images
    .flatMap(({ header }) => (header && header.width > 0 ? [header] : []))
    .sort((a, b) => a.width * a.height - b.width * b.height);
  if (sizes.length === 0) return {};
  const at = (place: number): [number, number] => [sizes[place]!.width, sizes[place]!.height];
  return {
    dimensions: { smallest: at(0), middle: at(sizes.length >> 1), largest: at(sizes.length - 1) },
  };
}
