/** `card.md`: what somebody who gets the model should know of it. */
import { basename } from 'node:path';
import { count, digits, duration, moment, percent, printable } from '../base/words.ts';
import { confidenceIntervals } from '../metrics/intervals.ts';
import { shorten } from '../page/html.ts';
import { verdictOf } from '../training/verdict.ts';
import type { RunStory } from './story.ts';

/** With more classes than this their tables are not read. */
const MOST_CLASSES = 20;
/** Fewer validation images of a class say little of it. */
const FEW_IMAGES = 30;

/** Markdown, with the head that Hugging Face reads. */
export function renderCard(story: RunStory): string {
  const { name, best, writtenAt, environment } = story;
  const verdict = best ? `It ${verdictOf({ ...story, best })}.` : 'It has not been validated.';
  return `${[
    '---\nlibrary_name: birbs-metal\npipeline_tag: image-classification\n---',
    `# ${text(name)}`,
    text(verdict, 1000),
    ...section('What it is', whatItIs(story)),
    ...section('How good it is', howGood(story)),
    ...section('What it learned from', whatItLearned(story)),
    ...section('Limits', [list(limits(story))]),
    ...section('Where it must not be used', [list(NOT_FOR)]),
    ...section('What it cost', [cost(story)]),
    `Written ${moment(writtenAt)} by birbs-metal ${text(environment['birbs-metal'] ?? '')} from what it measured; add what you know.`,
  ].join('\n\n')}\n`;
}

function section(title: string, parts: string[]): string[] {
  return [`## ${title}`, ...parts.filter((part) => part !== '')];
}

const SIGNS = /[\\`*_[\]<>|#~]/g;

/** Names from outside are text, whatever signs of Markdown are in them. */
function text(words: string, longest = 160): string {
  return shorten(printable(words.replace(/\s+/g, ' ')), longest).replace(SIGNS, (sign) => `\\${sign}`);
}

function counted(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

function list(lines: string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}

/** A card is handed on: folders of this machine are nobody else's business. */
function withoutFolders(path: string): string {
  return path.startsWith('/') ? `…/${basename(path)}` : path;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function whatItIs({
  name,
  network,
  classNames,
  pretrained,
  options,
  startedAt,
  predict,
}: RunStory): string[] {
  const names = classNames.slice(0, MOST_CLASSES).map((name) => text(name));
  const more =
    classNames.length > MOST_CLASSES ? `, and ${count(classNames.length - MOST_CLASSES)} more` : '';
  return [
    list([
      `Classes: ${names.join(', ')}${more}`,
      ...(network
        ? [
            `Network: ${text(network.name)}, ${count(network.weights)} weights`,
            `Images: ${network.imageSize} x ${network.imageSize} pixels, fitted by "${text(String(options.fit))}", resized with Lanczos3`,
          ]
        : []),
      pretrained
        ? `Started from: ${text(withoutFolders(pretrained.source), 300)}, licence ${text(pretrained.licence ?? 'not stated there')} (sha256 ${text(pretrained.sha256)})`
        : 'Started from: random weights',
      `Trained: ${moment(startedAt)}`,
    ]),
    ...(predict
      ? [`Ask it: \`npx birbs-metal predict --model ${name.replaceAll('`', "'")} photo.jpg\``]
      : []),
  ];
}

const METRICS = [
  ['balanced accuracy', 'balancedAccuracy'],
  ['accuracy', 'accuracy'],
  ['AUROC', 'auroc'],
  ['precision', 'precision'],
  ['recall', 'recall'],
  ['F1', 'f1'],
] as const;

function howGood({ best, majority, classNames, calibration }: RunStory): string[] {
  if (!best) return ['No epoch was validated.'];
  const intervals = best.confusion.length === classNames.length ? confidenceIntervals(best) : undefined;
  const rows = METRICS.map(([word, key]) => {
    const [low, high] = intervals?.[key] ?? [];
    return [word, percent(best[key]), low === undefined ? '' : `${percent(low)} to ${percent(high!)}`];
  });
  const images = best.confusion.flat().reduce((a, b) => a + b, 0);
  const parts = [
    `On ${count(images)} validation images, of epoch ${best.epoch}${majority ? `; always answering ${text(majority.className)} has an accuracy of ${percent(majority.accuracy)}` : ''}:`,
    table(['metric', 'value', '95% interval'], rows),
  ];
  if (classNames.length <= MOST_CLASSES && best.confusion.length === classNames.length)
    parts.push(
      table(
        ['is', ...classNames.map((name) => `said ${text(name, 40)}`)],
        classNames.map((name, k) => [text(name, 40), ...best.confusion[k]!.map((n) => count(n))]),
      ),
    );
  if (calibration) {
    const { temperature, threshold, unsureBelow, answered, answeredRight } = calibration;
    parts.push(
      `Its probabilities are those of a softmax at temperature ${digits(temperature)}${threshold === undefined ? '' : `; ${text(classNames[0]!)} begins at ${percent(threshold)}`}. Below a certainty of ${percent(unsureBelow)} it is unsure: above, ${percent(answered)} of the images got an answer, and ${percent(answeredRight)} of those were right.`,
    );
  }
  return parts;
}

function whatItLearned({ data, classNames }: RunStory): string[] {
  if (!data) return ['It ended before the images were read.'];
  const sources = data.sources
    .slice(0, MOST_CLASSES)
    .map(
      ({ source, images, revision }) =>
        `${text(withoutFolders(source))}: ${count(images)} images${revision ? `, revision ${text(revision)}` : ''}`,
    );
  const order = classNames.map((name, k) => [
    text(name, 40),
    count(data.train[k]!),
    count(data.validation[k]!),
  ]);
  return [
    list([...sources, ...data.health.map((line) => text(line, 300)), `Hash of the data: \`${data.hash}\``]),
    table(['class', 'training', 'validation'], order.slice(0, MOST_CLASSES)),
    ...(data.skipped.length > 0 ? [`${count(data.skipped.length)} files could not be used.`] : []),
  ];
}

function limits({ data, best, classNames, betterThanMajority, caveats = [], options }: RunStory): string[] {
  const few = data ? classNames.filter((_, k) => data.validation[k]! < FEW_IMAGES) : [];
  const isOwn = Array.isArray(options.val) && options.val.length > 0;
  const names = few.slice(0, 5).map((name) => text(name, 40));
  return [
    'Whatever an image shows, the answer is one of its classes; "unsure" is the only sign that it may be none of them.',
    isOwn
      ? 'It was validated on images of a source of its own; images from elsewhere may be harder.'
      : 'It was validated on images held out from the same sources: on images from elsewhere expect lower scores.',
    'Epoch, temperature and threshold were chosen on the validation images, which makes the figures a little too good.',
    ...(best && !betterThanMajority ? ['It is no better than guessing.'] : []),
    ...(few.length > 0
      ? [
          `Of ${names.join(', ')}${few.length > 5 ? ` and ${few.length - 5} more classes` : ''} there were fewer than ${FEW_IMAGES} validation images: their figures are rough.`,
        ]
      : []),
    ...caveats.map((caveat) => text(caveat, 400)),
  ];
}

const NOT_FOR = [
  'To recognise, sort or judge people.',
  'Where a wrong answer can hurt somebody: medicine, food and poison, traffic, security, law.',
  'As the only evidence for a decision: have doubtful and important answers checked by a person who knows.',
  'On kinds of images that it was not trained on (drawings, night, microscopes, satellites), before it was tested on them.',
];

function cost({ seconds, device, epochs, steps }: RunStory): string {
  return `${duration(seconds)} on ${text(device.description)} (${text(device.name)}): ${counted(epochs.done, 'epoch')}, ${counted(steps, 'step')}. Energy was not measured.`;
}
