/** The built-in set: the drawings of four emoji packages, each on a background of its own. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { packageJson } from '../../base/version.ts';
import type { Listing, Part, Pin, SourceImage } from '../part.ts';

const SETS = ['noto', 'twemoji', 'fluent-emoji-flat', 'openmoji'];

/** Unicode's group `animal-bird` without feather and wing. */
const BIRDS = new Set(
  (
    '1f413 1f414 1f423 1f424 1f425 1f426 1f427 1f54a 1f983 1f985 1f986 1f989 1f99a 1f99c 1f9a2 1f9a4 1f9a9 1fabf ' +
    '1f426-200d-1f525 1f426-200d-2b1b'
  ).split(' '),
);

/** Counts what changes the pictures. */
const VERSION = 1;

interface Icon {
  body: string;
  left?: number;
  top?: number;
  width?: number;
  height?: number;
}

interface IconSet {
  /** By name. */
  icons: Record<string, Icon>;
  width: number;
  height: number;
}

interface Drawing {
  set: string;
  /** As the package calls it. */
  icon: string;
  /** Code points as Unicode writes them, without the variation selector: the concept. */
  code: string;
}

/** The drawings as a part of a source: labels `bird` and `not-bird`, one group a concept. */
export async function demoPart(size: number): Promise<Part> {
  const versions = await Promise.all(SETS.map(versionOf));
  return {
    key: 'demo',
    stamp: [VERSION, size, ...versions].join(' '),
    pins: async () => (await Promise.all(SETS.map((set, i) => pinsOf(set, versions[i]!)))).flat(),
    nameOf: (name) => `demo/${name}`,
    list: async () => listing(await allDrawings()),
    read: (_, wanted) => readDrawings(size, wanted),
    render: async (bytes) => {
      const { renderSvg } = await import('../decode.ts');
      return renderSvg(new TextDecoder().decode(bytes), size);
    },
  };
}

function listing(drawings: Drawing[]): Listing {
  return {
    count: drawings.length,
    names: drawings.map(({ set, icon }) => `${set}/${icon}`),
    labels: Int32Array.from(drawings, ({ code }) => (BIRDS.has(code) ? 0 : 1)),
    labelNames: [
      { value: 'bird', name: 'bird' },
      { value: 'not-bird', name: 'not-bird' },
    ],
    groups: drawings.map(({ code }) => code),
    skipped: [],
    ignored: 0,
  };
}

async function* readDrawings(size: number, wanted: (index: number) => boolean): AsyncGenerator<SourceImage> {
  const sets = new Map<string, IconSet>();
  for (const set of SETS) sets.set(set, await readJson(set, 'icons'));
  for (const [index, drawing] of (await allDrawings()).entries()) {
    if (!wanted(index)) continue;
    yield { index, bytes: Buffer.from(svgOf(drawing, sets.get(drawing.set)!, size)) };
  }
}

async function allDrawings(): Promise<Drawing[]> {
  const sets = await Promise.all(
    SETS.map(async (set) => drawingsOf(set, (await readJson(set, 'chars')) as Record<string, string>)),
  );
  return sets.flat();
}

/** One drawing an icon; no skin tones, which repeat one, and no private code points, which Unicode gives no meaning. */
function drawingsOf(set: string, chars: Record<string, string>): Drawing[] {
  const byIcon = new Map<string, string>();
  for (const [code, icon] of Object.entries(chars)) {
    const points = code.split('-').filter((point) => point !== 'fe0f');
    const numbers = points.map((point) => Number.parseInt(point, 16));
    if (numbers.some((number) => isSkinTone(number) || isPrivate(number))) continue;
    if (!byIcon.has(icon)) byIcon.set(icon, points.join('-'));
  }
  return [...byIcon].map(([icon, code]) => ({ set, icon, code }));
}

function isSkinTone(point: number): boolean {
  return point >= 0x1f3fb && point <= 0x1f3ff;
}

function isPrivate(point: number): boolean {
  return (point >= 0xe000 && point <= 0xf8ff) || point >= 0xf0000;
}

async function readJson<T>(set: string, name: string): Promise<T> {
  return JSON.parse(await readFile(join(folderOf(set), `${name}.json`), 'utf8')) as T;
}

async function versionOf(set: string): Promise<string> {
  return (await readJson<{ version: string }>(set, 'package')).version;
}

/** The files of a package that the drawings are made of. */
async function pinsOf(set: string, revision: string): Promise<Pin[]> {
  return Promise.all(
    ['chars.json', 'icons.json'].map(async (name) => {
      const bytes = await readFile(join(folderOf(set), name));
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { name: `@iconify-json/${set}/${name}`, size: bytes.length, sha256, revision };
    }),
  );
}

function folderOf(set: string): string {
  const file = `@iconify-json/${set}/icons.json`;
  // Beside this package or, where it is installed globally, in the user's folder.
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      return dirname(createRequire(from).resolve(file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new UserError(
    `The source "demo" needs four packages of drawings, but @iconify-json/${set} is not installed; run \`${installCommand()}\``,
  );
}

/** A clone has them as development dependencies; in an installed package they are optional, because they take 52 MB. */
function installCommand(): string {
  const { devDependencies } = packageJson();
  const packages = SETS.map((set) => `@iconify-json/${set}`);
  return `npm install ${packages.map((name) => `${name}@${devDependencies[name]}`).join(' ')}`;
}

/**
 * The whole drawing on a background, nearly filling the square, a little turned, at times mirrored. All of it is drawn
 * by lot from the concept and the set, never from the class: the background is no hint.
 */
function svgOf({ set, icon, code }: Drawing, icons: IconSet, size: number): string {
  const { body, left = 0, top = 0, width = icons.width, height = icons.height } = icons.icons[icon]!;
  const next = dice(`${code} ${set}`);
  const background = backgroundOf(next);
  const degrees = 20 * next() - 10;
  const angle = (Math.abs(degrees) * Math.PI) / 180;
  // The turned square needs more room than its side.
  const extent = 85 + 15 * next();
  const side = extent / (Math.cos(angle) + Math.sin(angle));
  const [x, y] = [next(), next()].map((share) => extent / 2 + (100 - extent) * share);
  const flip = next() < 0.5 ? ' scale(-1 1)' : '';
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
    `width="${size}" height="${size}" viewBox="0 0 100 100">${background}` +
    `<g transform="translate(${x} ${y}) rotate(${degrees})${flip}">` +
    `<svg x="${-side / 2}" y="${-side / 2}" width="${side}" height="${side}" ` +
    `viewBox="${left} ${top} ${width} ${height}">${body}</svg></g></svg>`
  );
}

/** Even numbers in [0, 1), the same for the same text. */
function dice(text: string): () => number {
  let counter = 0;
  let words = new Uint32Array();
  return () => {
    const at = counter++ % 8;
    if (at === 0)
      words = new Uint32Array(
        new Uint8Array(createHash('sha256').update(`${text} ${counter}`).digest()).buffer,
      );
    return words[at]! / 2 ** 32;
  };
}

/**
 * A pale colour, or a soft change between two of them. Sixty-four birds are too few to learn what a bird is before
 * stripes and strong colours.
 */
function backgroundOf(next: () => number): string {
  const [first, second] = [paleColour(next), paleColour(next)];
  const degrees = 360 * next();
  const [x, y] = [next(), next()];
  const stops = `<stop stop-color="${first}"/><stop offset="1" stop-color="${second}"/>`;
  const paints = [
    '',
    `<linearGradient id="bg" gradientTransform="rotate(${degrees} .5 .5)">${stops}</linearGradient>`,
    '',
    `<radialGradient id="bg" cx="${x}" cy="${y}" r="0.9">${stops}</radialGradient>`,
  ];
  const paint = paints[Math.floor(next() * paints.length)]!;
  return `${paint}<rect width="100" height="100" fill="${paint === '' ? first : 'url(#bg)'}"/>`;
}

function paleColour(next: () => number): string {
  const [red, green, blue] = [next(), next(), next()].map((share) => Math.round(170 + 85 * share));
  return `rgb(${red},${green},${blue})`;
}
