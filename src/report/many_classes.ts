/** The parts of the report for many classes: the weakest, what is confused, groups, and a table of all. */
import { count, percent } from '../base/words.ts';
import { classCounts } from '../metrics/metrics.ts';
import { classHtml, type Html, html } from '../page/html.ts';
import { figure } from '../page/kit.ts';
import type { EpochMetrics } from '../training/training_state.ts';
import type { ConfusedPictures, RunStory } from './story.ts';

interface ClassRow {
  name: string;
  images: number;
  /** Of its images, those that were found. */
  found: number;
  precision: number;
  recall: number;
  f1: number;
  auroc: number;
  /** What its images were taken for most often. */
  takenFor?: string;
}

function rowsOf(names: string[], best: EpochMetrics): ClassRow[] {
  const takenFor = new Map<number, number>();
  // The most frequent come first.
  for (const { truth, guess } of best.confused ?? []) if (!takenFor.has(truth)) takenFor.set(truth, guess);
  return best.perClass.map(({ precision, recall, f1, auroc }, k) => {
    const other = takenFor.get(k);
    return {
      name: names[k]!,
      ...classCounts(best, k),
      precision,
      recall,
      f1,
      auroc,
      ...(other === undefined ? {} : { takenFor: names[other]! }),
    };
  });
}

const MOST_WEAKEST = 20;

/** The classes of which the least is found. */
export function weakestTable(names: string[], best: EpochMetrics): Html {
  const rows = rowsOf(names, best)
    .filter(({ images }) => images > 0)
    .sort((a, b) => a.recall - b.recall || b.images - a.images);
  const shown = rows.slice(0, MOST_WEAKEST);
  const left = rows.length - shown.length;
  return html`<div class="scroll"><table><caption>The weakest classes${left > 0 && html`, ${shown.length} of ${rows.length}`}</caption><thead><tr><th scope="col">class</th><th scope="col">found</th><th scope="col">precision</th><th scope="col">F1</th></tr></thead><tbody>${shown.map(
    ({ name, images, found, precision, f1 }) =>
      html`<tr><th scope="row">${classHtml(name)}</th><td>${count(found)} of ${count(images)}</td><td>${percent(precision)}</td><td>${percent(f1)}</td></tr>`,
  )}</tbody></table></div>`;
}

/** How good it is at telling groups apart. */
export function levelsPart({ levels, best, classNames, calibration }: RunStory): Html {
  if (!levels || levels.length === 0 || !best) return html``;
  const sure =
    calibration?.sureFrom !== undefined &&
    html`<p class="hint">Where no class has a probability of ${percent(calibration.sureFrom, 0)} or more, <code>predict</code> answers with the smallest group that has.</p>`;
  return html`<h3>Does it know the group at least?</h3>${sure}
<div class="scroll"><table><thead><tr><th scope="col">level</th><th scope="col">groups</th><th scope="col">right</th><th scope="col">95% interval</th></tr></thead><tbody><tr><th scope="row">class</th><td>${count(classNames.length)}</td><td>${percent(best.accuracy)}</td><td></td></tr>${levels.map(
    ({ name, groups, accuracy, interval: [low, high] }) =>
      html`<tr><th scope="row">${name}</th><td>${count(groups)}</td><td>${percent(accuracy)}</td><td>${percent(low)} to ${percent(high)}</td></tr>`,
  )}</tbody></table></div>`;
}

const MOST_PAIRS = 20;

/** What is taken for what most often, with pictures where there are some. */
export function pairsPart({ pairs = [], classNames }: RunStory, best: EpochMetrics): Html {
  if (best.accuracy === 1)
    return html`<h3>Confused most often</h3><p class="fine">No image was taken for another class.</p>`;
  const shown =
    pairs.length > 0
      ? pairs
      : (best.confused ?? []).map(
          ({ truth, guess, images }): ConfusedPictures => ({
            truth: classNames[truth]!,
            guess: classNames[guess]!,
            images,
            mistaken: [],
          }),
        );
  return html`<h3>Confused most often</h3><p class="hint">Images of the first class that were taken for the second, and beside them one of the second that was recognised.</p>
<div class="pairs confused">${shown.slice(0, MOST_PAIRS).map(pairHtml)}</div>`;
}

function pairHtml({ truth, guess, images, mistaken, example }: ConfusedPictures): Html {
  const wrong = mistaken.map((picture) =>
    figure({ ...picture, thumbnail: picture.thumbnail, alt: truth }, html`<p>${classHtml(truth)}</p>`),
  );
  const right =
    example &&
    figure({ ...example, thumbnail: example.thumbnail, alt: guess }, html`<p><b>${classHtml(guess)}</b></p>`);
  return html`<div><p><b>${classHtml(truth)}</b> taken for <b>${classHtml(guess)}</b> <small>${times(images)}</small></p>${
    (wrong.length > 0 || right) && html`<div class="gallery">${wrong}${right}</div>`
  }</div>`;
}

function times(images: number): string {
  return images === 1 ? 'once' : `${count(images)} times`;
}

interface Order {
  id: string;
  label: string;
  compare(a: ClassRow, b: ClassRow): number;
}

const names = new Intl.Collator('en');
const ORDERS: Order[] = [
  { id: 'recall', label: 'least found', compare: (a, b) => a.recall - b.recall },
  { id: 'precision', label: 'lowest precision', compare: (a, b) => a.precision - b.precision },
  { id: 'f1', label: 'lowest F1', compare: (a, b) => a.f1 - b.f1 },
  { id: 'few', label: 'fewest images', compare: (a, b) => a.images - b.images },
  { id: 'name', label: 'name', compare: (a, b) => names.compare(a.name, b.name) },
];

/** More rows would make the page slow; results.json has them all. */
const MOST_ROWS = 1000;

/** All classes. Sorted by style alone, as nothing runs in this page: each row has its place in every order. */
export function classTable(classNames: string[], best: EpochMetrics): Html {
  const rows = rowsOf(classNames, best).sort(ORDERS[0]!.compare);
  const shown = rows.slice(0, MOST_ROWS);
  const places = ORDERS.map(({ compare }) => {
    const sorted = [...shown].sort(compare);
    return new Map(sorted.map((row, place) => [row, place]));
  });
  const style = (row: ClassRow) => places.map((order, i) => `--o${i}:${order.get(row)}`).join(';');
  const left = rows.length - shown.length;
  return html`<h3>All classes</h3><div class="sorted">${ORDERS.map(
    ({ id, label }, i) =>
      html`<input type="radio" name="order" id="order-${id}" class="o${i}"${i === 0 && html` checked`}><label for="order-${id}">${label}</label>`,
  )}<div class="scroll"><table><thead><tr><th scope="col">class</th><th scope="col">images</th><th scope="col">recall</th><th scope="col">precision</th><th scope="col">F1</th><th scope="col">AUROC</th><th scope="col" class="text">taken for</th></tr></thead><tbody>${shown.map(
    (row) =>
      html`<tr style="${style(row)}"><th scope="row">${classHtml(row.name)}</th><td>${count(row.images)}</td><td>${percent(row.recall)}</td><td>${percent(row.precision)}</td><td>${percent(row.f1)}</td><td>${percent(row.auroc)}</td><td class="text">${row.takenFor !== undefined && classHtml(row.takenFor)}</td></tr>`,
  )}</tbody></table></div>${left > 0 && html`<p class="note"><small>${count(left)} classes that are found better are left out here; results.json has them all.</small></p>`}</div>`;
}
