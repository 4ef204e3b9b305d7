/** A report as one page that needs nothing else: summary, findings with pictures, a contact sheet a class. */
import { count } from '../base/words.ts';
import { classHtml, type Html, html, nameHtml, shorten } from '../page/html.ts';
import { bars, chip, figure, links, pageText, section, thumbnail, tile } from '../page/kit.ts';
import type { Checked } from './check_dataset.ts';
import { type Pictures, picturesOf } from './check_pictures.ts';
import type { Finding, Item, Report, Shown } from './check_result.ts';
import { WORDS } from './problem_words.ts';

/** Items of a finding with pictures, and further ones by name. */
const PICTURED = 24;
const NAMED = 200;
/** Copies of one picture that are shown. */
const COPIES = 6;
/** Contact sheets, and pictures on all of them together and on one. */
const SHEETS = 60;
const SHEET_PICTURES = 720;
const ON_A_SHEET = 60;
/** Classes that the top of the page leads to. */
const LINKS = 12;

/** The images of a class on its sheet: spread evenly over all of them. */
interface Sheet {
  id: string;
  name: string;
  count: number;
  images: number[];
}

/** What the sections draw from. */
interface Drawn {
  pictures: Pictures;
  /** The places of the sources, with a slash at the end: folders are shown without them. */
  roots: string[];
}

/** The page as HTML; the pictures are read again from the sources. */
export async function pageOf(
  checked: Checked,
  options: { cacheDir: string; signal?: AbortSignal },
): Promise<string> {
  const { report } = checked;
  const sheets = sheetsOf(checked);
  const wanted = [
    ...report.findings.flatMap(({ items }) => items.slice(0, PICTURED).flatMap(numbersOf)),
    ...sheets.flatMap(({ images }) => images),
  ];
  const drawn: Drawn = {
    pictures: await picturesOf(checked, wanted, options),
    roots: checked.filled.opened.map(({ source }) => `${source.path.replace(/\/+$/, '')}/`),
  };
  const nameOf = (image: number) => checked.images[image]!.name;
  const more = report.classes.length - SHEETS;
  return pageText({
    title: `Data check: ${shorten(report.sources.map(({ source }) => source).join(', '))}`,
    header: header(report, sheets),
    main: html`${tiles(report)}${classesSection(report)}${report.findings.map((finding) => findingSection(finding, drawn))}${sheets.map((sheet) => sheetSection(sheet, drawn, nameOf))}${more > 0 && html`<p class="hint">and ${count(more)} more classes</p>`}`,
    footer: 'Made by birbs-metal data check.',
  });
}

function numbersOf({ images }: Item): number[] {
  return images.slice(0, COPIES).flatMap(({ image }) => (image === undefined ? [] : [image]));
}

function sheetsOf({ report, images }: Checked): Sheet[] {
  const members = new Map<string, number[]>(report.classes.slice(0, SHEETS).map(({ name }) => [name, []]));
  for (const [i, { className, problem }] of images.entries()) {
    if (className !== undefined && problem === undefined) members.get(className)?.push(i);
  }
  const most = Math.max(6, Math.min(ON_A_SHEET, Math.floor(SHEET_PICTURES / Math.max(1, members.size))));
  return [...members]
    .filter(([, all]) => all.length > 0)
    .map(([name, all], place) => {
      const shown = Math.min(most, all.length);
      const spread = Array.from(
        { length: shown },
        (_, k) => all[Math.floor(((k + 0.5) * all.length) / shown)]!,
      );
      return { id: `class-${place}`, name, count: all.length, images: spread };
    });
}

/** What a finding means for training, and how it looks. */
const WEIGHTS = {
  out: { words: 'left out of training', look: 'critical' },
  look: { words: 'worth a look', look: 'warning' },
  note: { words: 'good to know', look: 'info' },
} as const;

function header(report: Report, sheets: Sheet[]): Html {
  const { sources, findings, images, readable } = report;
  const entries = [
    { id: 'classes', text: 'Classes' },
    ...findings.map(({ kind, count: n }) => ({ id: kind, text: WORDS[kind].title, note: count(n) })),
    ...sheets.slice(0, LINKS).map(({ id, name }) => ({ id, text: classHtml(name) })),
  ];
  const names = sources.map(({ source }, i) => [i > 0 && ', ', nameHtml(source)]);
  return html`<h1>Data check of ${names}</h1>
<p class="verdict${readable === 0 && ' poor'}">${verdict(report)}</p>
<p class="hint">${count(readable)} of ${count(images)} images can be read. ${sizes(report)}</p>
${links(entries)}`;
}

function verdict({ images, readable, findings }: Report): string {
  const worthALook = total(findings, 'look');
  const are = (n: number) => `${count(n)} ${n === 1 ? 'is' : 'are'}`;
  const out = total(findings, 'out');
  if (readable === 0) return 'None of the images can be used.';
  const look = worthALook > 0 ? `; ${are(worthALook)} worth a look` : '';
  if (out > 0) return `Of ${count(images)} images ${are(out)} left out of training${look}.`;
  return `All ${count(images)} images can be used${look || '; no faults found'}.`;
}

function total(findings: Finding[], weight: Finding['weight']): number {
  return findings.filter((finding) => finding.weight === weight).reduce((sum, { count: n }) => sum + n, 0);
}

function tiles({ images, classes, findings }: Report): Html {
  const some = (weight: 'out' | 'look') => {
    const n = total(findings, weight);
    return tile(WEIGHTS[weight].words, count(n), '', n > 0 ? WEIGHTS[weight].look : '');
  };
  return html`<div class="tiles">${tile('images', count(images))}${tile('classes', count(classes.length))}${some('out')}${some('look')}</div>`;
}

function classesSection({ classes }: Report): Html {
  const most = Math.max(...classes.map(({ training, validation }) => Math.max(training, validation)));
  const validates = classes.some(({ validation }) => validation > 0);
  const rows = classes.slice(0, SHEETS).map(({ name, training, validation }) => {
    const shares = validates ? [training / most, validation / most] : [training / most];
    return html`<tr><th scope="row">${classHtml(name)}</th><td>${count(training)}</td>${validates && html`<td>${count(validation)}</td>`}<td>${bars(...shares)}</td></tr>`;
  });
  const heads = html`<th scope="col">class</th><th scope="col">images</th>${validates && html`<th scope="col">to validate on</th>`}<th></th>`;
  return section(
    'classes',
    'Classes',
    html`<div class="scroll"><table class="bars"><caption>Images that can be used, by class.</caption><thead><tr>${heads}</tr></thead><tbody>${rows}</tbody></table></div>`,
  );
}

function sizes({ formats, dimensions, imageSize }: Report): string {
  const kinds = Object.entries(formats)
    .sort((a, b) => b[1] - a[1])
    .map(([format, n]) => `${count(n)} ${format.toUpperCase()}`);
  const show = ([width, height]: [number, number]) => `${count(width)} × ${count(height)}`;
  const spread = dimensions
    ? ` from ${show(dimensions.smallest)} to ${show(dimensions.largest)} pixels, half of them smaller than ${show(dimensions.middle)}.`
    : '';
  const files = kinds.length > 0 ? `${kinds.join(', ')}${spread ? ',' : '.'}` : '';
  return `${files}${spread} Training brings them to ${imageSize} × ${imageSize}.`;
}

function findingSection({ kind, weight, count: n, items }: Finding, drawn: Drawn): Html {
  const { title, advice } = WORDS[kind];
  const { words, look } = WEIGHTS[weight];
  return section(
    kind,
    title,
    html`<p class="hint">${advice}</p>${itemsOf(kind, items.slice(0, PICTURED), drawn)}${further(items, n)}`,
    chip(look, `${count(n)} · ${words}`),
  );
}

function itemsOf(kind: Finding['kind'], items: Item[], drawn: Drawn): Html {
  if (kind === 'imbalance')
    return html`<ul>${items.map(({ reason }) => html`<li>${nameHtml(reason)}</li>`)}</ul>`;
  if (items.some(({ images }) => images.length > 1))
    return html`<div class="pairs">${items.map((item) => together(item, drawn))}</div>`;
  return html`<div class="gallery">${items.map(({ images: [image], reason }) => pictured(image!, drawn, reason))}</div>`;
}

/** Pictures that go together, side by side. */
function together({ images, reason }: Item, drawn: Drawn): Html {
  return html`<div><p>${shorten(reason)}</p><div class="gallery">${images.slice(0, COPIES).map((image) => pictured(image, drawn))}</div></div>`;
}

function pictured(shown: Shown, { pictures, roots }: Drawn, reason?: string): Html {
  const { name, image, className, validation } = shown;
  const folder = folderOf(name, roots);
  const tags = [className && classHtml(className), validation && 'validation'].filter(Boolean);
  return figure(
    {
      name,
      alt: className ?? name,
      missing: 'no picture',
      thumbnail: image === undefined ? undefined : pictures.get(image),
    },
    html`${reason && html`<p>${shorten(reason)}</p>`}${folder && folder !== className && html`<p>${nameHtml(shorten(folder, 90))}</p>`}${tags.map((tag) => html`<span class="tag">${tag}</span>`)}`,
  );
}

/** Items that have no picture on the page. */
function further(items: Item[], n: number): Html {
  const rest = items.slice(PICTURED, PICTURED + NAMED);
  if (rest.length === 0) return html``;
  const lines = rest.map(
    ({ images, reason }) =>
      html`<li>${nameHtml(shorten(images.map(({ name }) => name).join(' and '), 300))}: ${shorten(reason)}</li>`,
  );
  const left = items.length - PICTURED - rest.length;
  const more = (left > 0 || n > items.length) && html`<p class="note">and more; --json lists them</p>`;
  return html`<details><summary>${count(items.length - PICTURED)} more</summary><ul>${lines}</ul>${more}</details>`;
}

function sheetSection(
  { id, name, count: all, images }: Sheet,
  { pictures }: Drawn,
  nameOf: (image: number) => string,
): Html {
  const shown = images.flatMap((i) => thumbnail(pictures.get(i), nameOf(i), nameOf(i)) ?? []);
  const part =
    shown.length < all ? `${count(shown.length)} of ${count(all)}, spread evenly` : `all ${count(all)}`;
  return section(id, classHtml(name), html`<div class="sheet">${shown}</div>`, html` <small>${part}</small>`);
}

/** Of an image, below its source. */
function folderOf(name: string, roots: string[]): string {
  const root = roots.find((place) => name.startsWith(place)) ?? '';
  return name.slice(root.length, Math.max(root.length, name.lastIndexOf('/')));
}
