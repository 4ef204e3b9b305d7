/** A report as lines for the terminal. */
import type { Finding, Item, Report } from './check_result.ts';
import { WORDS } from './problem_words.ts';

/** Classes and items that a line tells. */
const MOST_CLASSES = 10;
const MOST_ITEMS = 3;

export function reportLines({ sources, images, readable, classes, findings, ...facts }: Report): string[] {
  const lines = sources.map(
    ({ source, images: n, ignored }) =>
      `${printable(source)}: ${number(n)} images${ignored > 0 ? `, ${number(ignored)} other files passed over` : ''}`,
  );
  const shown = classes
    .slice(0, MOST_CLASSES)
    .map(
      ({ name, training, validation }) =>
        `${number(training)} ${printable(name)}${validation > 0 ? ` (+${number(validation)} to validate)` : ''}`,
    );
  const more = classes.length > MOST_CLASSES ? `, and ${classes.length - MOST_CLASSES} more classes` : '';
  lines.push(`${number(readable)} of ${number(images)} can be used: ${shown.join(', ')}${more}`);
  lines.push(...sizeLines(facts));
  const groups: [Finding['weight'], string][] = [
    ['out', 'Left out of training'],
    ['look', 'Worth a look'],
    ['told', 'Good to know'],
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
    ([width, height]) => `${number(width)} x ${number(height)}`,
  );
  const kinds = Object.entries(formats)
    .sort((a, b) => b[1] - a[1])
    .map(([format, n]) => `${number(n)} ${format.toUpperCase()}`);
  return [`${kinds.join(', ')}; from ${smallest} to ${largest} pixels, ${middle} in the middle`];
}

function findingLines({ kind, count, items }: Finding): string[] {
  const rest = items.length > MOST_ITEMS ? [`      and ${number(items.length - MOST_ITEMS)} more`] : [];
  return [
    `${number(count).padStart(7)}  ${WORDS[kind].title}`,
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

/** Names come from outside: what would steer a terminal is shown as a mark. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

function number(n: number): string {
  return n.toLocaleString('en-US');
}
