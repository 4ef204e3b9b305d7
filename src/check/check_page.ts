/** A report as one page that needs nothing else: summary, findings with pictures, a contact sheet a class. */
import type { Checked } from './check_dataset.ts';
import { type Pictures, picturesOf } from './check_pictures.ts';
import type { Finding, Item, Report, Shown } from './check_result.ts';
import { STYLE } from './check_style.ts';
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
  name: string;
  count: number;
  images: number[];
}

/** What the sections draw from. */
interface Drawn {
  pictures: Pictures;
  /** The places of the sources, with a slash at the end: names are shown without them. */
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
  const title = `Data check: ${report.sources.map(({ source }) => source).join(', ')}`;
  const names = new Map(sheets.flatMap(({ images }) => images.map((i) => [i, checked.images[i]!.name])));
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none';img-src data:;style-src 'unsafe-inline'">`,
    `<title>${text(title.slice(0, 200))}</title><style>${STYLE}</style></head><body><main>`,
    summary(report, sheets),
    ...report.findings.map((finding) => findingSection(finding, drawn)),
    sheets.length > 0 ? '<h3>What the classes look like</h3>' : '',
    ...sheets.map((sheet, i) => sheetSection(sheet, i, drawn, names)),
    report.classes.length > SHEETS
      ? `<p class="dim">and ${report.classes.length - SHEETS} more classes</p>`
      : '',
    '<footer>Made by birbs-metal data check. The page holds its pictures and loads nothing.</footer>',
    '</main></body></html>',
  ].join('\n');
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
    .map(([name, all]) => {
      const shown = Math.min(most, all.length);
      const spread = Array.from(
        { length: shown },
        (_, k) => all[Math.floor(((k + 0.5) * all.length) / shown)]!,
      );
      return { name, count: all.length, images: spread };
    });
}

const WEIGHTS = { out: 'left out of training', look: 'worth a look', told: 'good to know' } as const;

function summary(report: Report, sheets: Sheet[]): string {
  const { sources, images, readable, classes, findings } = report;
  const sum = (weight: Finding['weight']) =>
    findings.filter((finding) => finding.weight === weight).reduce((all, { count }) => all + count, 0);
  const tiles: [string, number, string][] = [
    ['', images, images === 1 ? 'image' : 'images'],
    ['', classes.length, classes.length === 1 ? 'class' : 'classes'],
    [sum('out') > 0 ? 'out' : 'told', sum('out'), WEIGHTS.out],
    [sum('look') > 0 ? 'look' : 'told', sum('look'), WEIGHTS.look],
  ];
  const names = sources.map(({ source }) => `<bdi class="name">${text(source)}</bdi>`).join(', ');
  return [
    `<header><h1>Data check</h1><p class="dim">${names}</p></header>`,
    `<div class="tiles">${tiles.map(([kind, n, what]) => `<div class="tile ${kind}"><b>${number(n)}</b>${what}</div>`).join('')}</div>`,
    `<section class="card"><h2>Classes</h2>${bars(report)}`,
    `<p class="dim" style="margin-top:14px">${text(sizes(report))}</p></section>`,
    findings.length === 0
      ? `<section class="card"><h2>Nothing is out of the ordinary</h2><p class="dim">All ${number(readable)} images can be used.</p></section>`
      : '',
    `<nav aria-label="On this page">${[...findings.map(findingLink), ...sheets.slice(0, LINKS).map(sheetLink)].join('')}</nav>`,
  ].join('\n');
}

function findingLink({ kind, weight, count }: Finding): string {
  return `<a class="${weight}-c" href="#${kind}"><span>${WORDS[kind].title}</span><span>${number(count)}</span></a>`;
}

function sheetLink({ name }: Sheet, place: number): string {
  return `<a class="plain-c" href="#class-${place}">${text(shortened(name, 40))}</a>`;
}

function bars({ classes }: Report): string {
  const most = Math.max(1, ...classes.map(({ training, validation }) => training + validation));
  const width = (n: number) => `<i style="width:${((100 * n) / most).toFixed(2)}%"></i>`;
  const rows = classes.slice(0, SHEETS).map(({ name, training, validation }) => {
    const both = validation > 0;
    const count = number(training) + (both ? ` + ${number(validation)}` : '');
    return `<bdi class="name">${text(name)}</bdi><div class="bar">${width(training)}${both ? width(validation) : ''}</div><div class="count">${count}</div>`;
  });
  const validates = classes.some(({ validation }) => validation > 0);
  const legend = validates ? '<p class="dim">Dark: to train on; light: to validate on.</p>' : '';
  return `${legend}<div class="bars">${rows.join('')}</div>`;
}

function sizes({ formats, dimensions, imageSize, images, readable }: Report): string {
  const kinds = Object.entries(formats)
    .sort((a, b) => b[1] - a[1])
    .map(([format, n]) => `${number(n)} ${format.toUpperCase()}`);
  const show = ([width, height]: [number, number]) => `${number(width)} × ${number(height)}`;
  const spread = dimensions
    ? ` From ${show(dimensions.smallest)} to ${show(dimensions.largest)} pixels, ${show(dimensions.middle)} in the middle.`
    : '';
  const files = kinds.length > 0 ? `${kinds.join(', ')}.` : '';
  return `${number(readable)} of ${number(images)} can be used. ${files}${spread} Trained at ${imageSize} × ${imageSize}.`;
}

function findingSection({ kind, weight, count, items }: Finding, drawn: Drawn): string {
  const { title, advice } = WORDS[kind];
  const shown = items.slice(0, PICTURED);
  const several = shown.some(({ images }) => images.length > 1);
  const body =
    kind === 'imbalance'
      ? `<ul>${shown.map(({ reason }) => `<li class="name">${text(reason)}</li>`).join('')}</ul>`
      : several
        ? `<div class="pairs">${shown.map((item) => together(item, drawn)).join('')}</div>`
        : `<div class="gallery">${shown.map((item) => single(item, drawn)).join('')}</div>`;
  return [
    `<section class="card" id="${kind}"><div class="head"><h2>${title}</h2>`,
    `<span class="chip ${weight}-c">${number(count)} · ${WEIGHTS[weight]}</span></div>`,
    `<p class="dim">${advice}</p>${body}${further(items, count)}</section>`,
  ].join('');
}

function single({ images: [image], reason }: Item, drawn: Drawn): string {
  return figure(image!, drawn, reason);
}

/** Pictures that go together, side by side. */
function together({ images, reason }: Item, drawn: Drawn): string {
  const shown = images.slice(0, COPIES);
  const figures = shown.map((image) => figure(image, drawn)).join('');
  return `<div><p class="reason">${text(reason)}</p><div class="${shown.length === 2 ? 'two' : 'strip'}">${figures}</div></div>`;
}

function figure(shown: Shown, { pictures, roots }: Drawn, reason?: string): string {
  const picture = shown.image === undefined ? undefined : pictures.get(shown.image);
  const [folder, file] = splitName(shown.name, roots);
  const tag = [shown.className, shown.validation ? 'validation' : undefined].filter(Boolean).join(' · ');
  return [
    `<figure><div class="pic">${picture ? image(picture, shown.name) : text(shortened(reason ?? 'no picture', 80))}</div>`,
    `<figcaption><bdi class="name" title="${text(shown.name)}">${text(shortened(file))}</bdi>`,
    folder && folder !== shown.className ? `<bdi class="dim">${text(shortened(folder))}</bdi>` : '',
    reason && picture ? `<span class="dim">${text(shortened(reason, 160))}</span>` : '',
    tag ? `<span class="tag">${text(shortened(tag))}</span>` : '',
    '</figcaption></figure>',
  ].join('');
}

/** Items that have no picture on the page. */
function further(items: Item[], count: number): string {
  const rest = items.slice(PICTURED, PICTURED + NAMED);
  if (rest.length === 0) return '';
  const lines = rest.map(
    ({ images, reason }) =>
      `<li><bdi>${text(shortened(images.map(({ name }) => name).join(' and '), 300))}</bdi>: ${text(shortened(reason, 160))}</li>`,
  );
  const left = items.length - PICTURED - rest.length;
  const more = left > 0 || count > items.length ? '<p class="dim">and more; --json lists them</p>' : '';
  return `<details><summary>${number(items.length - PICTURED)} more</summary><ol start="${PICTURED + 1}">${lines.join('')}</ol>${more}</details>`;
}

function sheetSection(
  { name, count, images }: Sheet,
  place: number,
  { pictures }: Drawn,
  names: Map<number, string>,
): string {
  const shown = images.filter((i) => pictures.has(i));
  const part =
    shown.length < count
      ? `${number(shown.length)} of ${number(count)}, spread evenly`
      : `all ${number(count)}`;
  return [
    `<section class="card" id="class-${place}"><div class="head"><h2><bdi class="name">${text(name)}</bdi></h2>`,
    `<span class="dim">${part}</span></div>`,
    `<div class="sheet">${shown.map((i) => image(pictures.get(i)!, names.get(i)!)).join('')}</div></section>`,
  ].join('');
}

function image(picture: string, name: string): string {
  return `<img src="${picture}" alt="${text(shortened(name))}" title="${text(shortened(name, 300))}" loading="lazy">`;
}

/** Folder and file below the source. */
function splitName(name: string, roots: string[]): [folder: string, file: string] {
  const root = roots.find((place) => name.startsWith(place)) ?? '';
  const short = name.slice(root.length);
  const slash = short.lastIndexOf('/');
  return slash < 0 ? ['', short] : [short.slice(0, slash), short.slice(slash + 1)];
}

/** Long names lose their middle. */
function shortened(name: string, most = 90): string {
  return name.length <= most ? name : `${name.slice(0, most / 2)} … ${name.slice(1 - most / 2)}`;
}

/** Whatever comes from outside: no markup, no control characters, nothing that turns the direction of the text. */
function text(raw: string): string {
  return (
    raw
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
      .replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;')
  );
}

function number(n: number): string {
  return n.toLocaleString('en-US');
}
