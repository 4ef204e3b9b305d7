/** A report as lines for the terminal. */
import { count, printable } from '../base/words.ts';
import type { Finding, Item, Report } from './check_result.ts';
import { WORDS } from './problem_words.ts';

/** Classes and items that are listed at most. */
const MOST_CLASSES = 10;
const MOST_ITEMS = 3;

export function reportLines({
  sources,
  images,
  readable,
  notes = [],
  classes,
  findings,
  ...facts
}: Report): string[] {
  const lines = sources.map(
    ({ source, images: n, ignored }) =>
      `${printable(source)}: ${count(n)} images${ignored > 0 ? `, ${count(ignored)} other files passed over` : ''}`,
  );
  lines.push(...notes.map(printable));
  const shown = classes
    .slice(0, MOST_CLASSES)
    .map(
      ({ name, training, validation }) =>
        `${count(training)} ${printable(name)}${validation > 0 ? ` (+${count(validation)} to validate)` : ''}`,
    );
  const more = classes.length > MOST_CLASSES ? `, and ${classes.length - MOST_CLASSES} more classes` : '';
  lines.push(`${count(readable)} of ${count(images)} can be used: ${shown.join(', ')}${more}`);
  lines.push(...sizeLines(facts));
  const groups: [Finding['weight'], string][] = [
    ['out', 'Left out of training'],
    ['look', 'Worth a look'],
    ['note', 'Good to know'],
  ];
  for (const [weight, title] of groups) {
    const some = findings.filter((finding) => finding.weight === weight);
    if (some.length > 0) lines.push('', title, ...some.flatMap(findingLines));
  }
  if (findings.length === 0) lines.push('', 'Nothing is out of the ordinary.');
  return lines;
}

function sizeLines({ formats, dimensions }: Pick<Report, 'formats' | 'dimensions'>): string[] {
  if (!dimensions) return [];
  const [smallest, middle, largest] = [dimensions.smallest, dimensions.middle, dimensions.largest].map(
    ([width, height]) => `${count(width)} x ${count(height)}`,
  );
  const kinds = Object.entries(formats)
    .sort((a, b) => b[1] - a[1])
    .map(([format, n]) => `${count(n)} ${format.toUpperCase()}`);
  return [`${kinds.join(', ')}; from ${smallest} to ${largest} pixels, ${middle} in the middle`];
}

function findingLines({ kind, count: images, items }: Finding): string[] {
  const rest = items.length > MOST_ITEMS ? [`      and ${count(items.length - MOST_ITEMS)} more`] : [];
  return [
    `${count(images).padStart(7)}  ${WORDS[kind].title}`,
    ...items.slice(0, MOST_ITEMS).map((item) => `         ${itemLine(item)}`),
    ...rest.map((line) => `   ${line}`),
  ];
}

function itemLine({ images, reason }: Item): string {
  const names = images
    .slice(0, 2)
    .map(
      ({ name, className }) =>
        printable(name) + (className === undefined ? '' : ` (${printable(className)})`),
    );
  if (images.length < 2) return `${names.join('')} ${printable(reason)}`.trim();
  return `${names.join(' and ')}: ${printable(reason)}`;
}
