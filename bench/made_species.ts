/**
 * Draws a set of made-up birds: `npx tsx bench/made_species.ts DIR [classes] [images of a class]`.
 *
 * One folder a class ("017.Ashy_Wood_Finch") and `hierarchy.csv` (class,genus,family). A family has a build, a genus a
 * colour, a species its markings; pose, light and background are each image's own.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';

const FAMILIES = 'Finch Warbler Thrush Sparrow Heron Duck Owl Hawk Gull Wren Tern Plover'.split(' ');
const PLACES = 'Wood Marsh River Rock Snow Bush Reed Sand Field Moor Isle Pine Oak Heath Lake Cave'.split(
  ' ',
);
const LOOKS =
  'Ashy Bay Coal Dusky Ember Fawn Golden Hazel Ivory Jade Khaki Lilac Masked Naped Ochre Pied Rufous Sooty Tawny Umber Violet White-browed Yellow-rumped Zebra'.split(
    ' ',
  );
const SIZE = 96;
/** Classes of a family, and of a genus. */
const SHARE = { family: 46, genus: 8 };

const [folder, classes = '555', images = '20'] = process.argv.slice(2);
if (folder === undefined || !(Number(classes) > 1) || !(Number(images) > 0)) {
  process.stderr.write('Usage: npx tsx bench/made_species.ts DIR [classes] [images of a class]\n');
  process.exit(2);
}
await draw(folder, Number(classes), Number(images));

interface Species {
  name: string;
  genus: string;
  family: string;
  build: { length: number; height: number; tail: number; beak: number; legs: number };
  hue: number;
  marks: { crown: number; wing: number; breast: number; bars: number; eye: boolean };
}

async function draw(folder: string, classes: number, images: number): Promise<void> {
  const list = Array.from({ length: classes }, (_, k) => species(k));
  await mkdir(folder, { recursive: true });
  const rows = list.map(({ name, genus, family }) => `${name},${genus},${family}`);
  await writeFile(join(folder, 'hierarchy.csv'), `class,genus,family\n${rows.join('\n')}\n`);
  let next = 0;
  const work = async () => {
    for (let k = next++; k < classes; k = next++) {
      const place = join(folder, 'images', list[k]!.name);
      await mkdir(place, { recursive: true });
      for (let i = 0; i < images; i++) {
        const picture = sharp(Buffer.from(svgOf(list[k]!, random(k * 1009 + i + 1)))).flatten();
        await picture.jpeg({ quality: 88 }).toFile(join(place, `${i}.jpg`));
      }
    }
  };
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, work));
}

function species(k: number): Species {
  const [family, genus] = [Math.floor(k / SHARE.family), Math.floor(k / SHARE.genus)];
  const own = random(7919 * (k + 1));
  const build = random(104729 * (family + 1));
  const colour = random(1299709 * (genus + 1));
  const kind = FAMILIES[family % FAMILIES.length]!;
  const place = PLACES[genus % PLACES.length]!;
  const look = LOOKS[(k + Math.floor(k / LOOKS.length)) % LOOKS.length]!;
  return {
    name: `${String(k + 1).padStart(3, '0')}.${look}_${place}_${kind}`,
    genus: `${place} ${plural(kind)} (${genus + 1})`,
    family: `${plural(kind)}${family < FAMILIES.length ? '' : ` ${Math.floor(family / FAMILIES.length) + 1}`}`,
    build: {
      length: 22 + 12 * build(),
      height: 12 + 9 * build(),
      tail: 8 + 20 * build(),
      beak: 4 + 12 * build(),
      legs: 4 + 14 * build(),
    },
    hue: 360 * colour(),
    marks: {
      crown: 360 * own(),
      wing: 360 * own(),
      breast: 360 * own(),
      bars: Math.floor(4 * own()),
      eye: own() > 0.5,
    },
  };
}

function plural(kind: string): string {
  return `${kind}${/(ch|sh)$/.test(kind) ? 'es' : 's'}`;
}

function svgOf({ build, hue, marks }: Species, next: () => number): string {
  const { length, height, tail, beak, legs } = build;
  const light = 40 + 25 * next();
  const colour = (of: number, by = 0) => `hsl(${of + 14 * next()} 65% ${light + by}%)`;
  const sky = `hsl(${60 + 160 * next()} 30% ${45 + 40 * next()}%)`;
  const ground = `hsl(${30 + 100 * next()} 30% ${25 + 40 * next()}%)`;
  const bars = Array.from(
    { length: marks.bars },
    (_, i) =>
      `<path d="M${-10 + 6 * i} -4 l4 9" stroke="${colour(marks.crown, 20)}" stroke-width="2" fill="none"/>`,
  );
  const turn = `translate(${48 + 12 * (next() - 0.5)} ${48 + 12 * (next() - 0.5)}) rotate(${40 * (next() - 0.5)}) scale(${(next() > 0.5 ? 1 : -1) * (0.8 + 0.35 * next())} ${0.85 + 0.3 * next()})`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${SIZE}" height="${SIZE}" viewBox="0 0 96 96"><rect width="96" height="96" fill="${sky}"/><rect y="${60 + 25 * next()}" width="96" height="60" fill="${ground}"/><circle cx="${96 * next()}" cy="${96 * next()}" r="${5 + 15 * next()}" fill="${ground}"/>
<g transform="${turn}"><path d="M-4 ${height - 2} v${legs} M4 ${height - 2} v${legs}" stroke="#553" stroke-width="2"/><path d="M${-length + 6} -3 l${-tail} ${4 - 10 * next()} l2 8 z" fill="${colour(hue, -12)}"/><ellipse rx="${length}" ry="${height}" fill="${colour(hue)}"/><ellipse cx="6" cy="${height / 3}" rx="${length / 1.8}" ry="${height / 1.7}" fill="${colour(marks.breast, 12)}"/><ellipse cx="-6" cy="-1" rx="${length / 1.7}" ry="${height / 2.2}" fill="${colour(marks.wing)}"/>${bars.join('')}
<circle cx="${length - 2}" cy="${-height + 2}" r="9" fill="${colour(hue, 6)}"/><path d="M${length - 11} ${-height + 2} a9 9 0 0 1 18 0 z" fill="${colour(marks.crown)}"/><path d="M${length + 6} ${-height} l${beak} 3 l${-beak} 3 z" fill="#c80"/><circle cx="${length + 1}" cy="${-height + 1}" r="1.8" fill="#111" stroke="#fff" stroke-width="${marks.eye ? 1.5 : 0}"/></g></svg>`;
}

/** Numbers from 0 to 1, the same for the same seed. */
function random(seed: number): () => number {
  let state = (seed % 2147483646) + 1;
  for (let i = 0; i < 3; i++) state = (state * 48271) % 2147483647;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
