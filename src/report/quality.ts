/** The part of the report that answers: is it good? */

import { count, digits, percent } from '../base/words.ts';
import type { CalibrationReport } from '../metrics/calibration.ts';
import { confidenceIntervals, type Interval, type Intervals } from '../metrics/intervals.ts';
import { classHtml, type Html, html } from '../page/html.ts';
import { section, tile } from '../page/kit.ts';
import type { EpochMetrics } from '../training/training_state.ts';
import { isQuestion } from '../training/verdict.ts';
import { rankingPart } from './ranking.ts';
import { reliabilityDiagram } from './reliability.ts';
import type { RunStory } from './story.ts';

type Name = keyof Intervals;

const MEANINGS: [name: Name, label: string, meaning: string][] = [
  ['balancedAccuracy', 'Balanced accuracy', 'mean over the classes of the share that was found'],
  ['accuracy', 'Accuracy', 'share of all images that was answered right'],
  ['precision', 'Precision', 'of the images said to be the class, the share that is'],
  ['recall', 'Recall', 'of the images of the class, the share that was found'],
  ['f1', 'F1', 'harmonic mean of precision and recall'],
  ['auroc', 'AUROC', 'how often an image of the class scores above another one'],
  ['averagePrecision', 'Average precision', 'precision over all thresholds, weighed by recall'],
];

/** The numbers to see first. */
export function tiles({ best, majority, classNames }: RunStory): Html {
  if (!best) return html``;
  const intervals = confidenceIntervals(best);
  const metric = (name: Name, label: Html | string, look = '') =>
    tile(label, percent(best[name]), range(intervals[name]), look);
  const first = classHtml(classNames[0]!);
  const asked = isQuestion(classNames)
    ? [
        metric('recall', html`Recall: ${first} images found`, lookOf(best.recall)),
        metric('precision', html`Precision: right when it says ${first}`, lookOf(best.precision)),
      ]
    : [metric('accuracy', 'Accuracy'), metric('auroc', 'AUROC')];
  const plain = majority ? `; ${percent(majority.accuracy)} plain` : '';
  const guess = tile('Always guessing', percent(1 / classNames.length), `balanced${plain}`);
  return html`<div class="tiles">${asked}${metric('balancedAccuracy', 'Balanced accuracy', 'lead')}${guess}</div>`;
}

/** More wrong than right is red. */
function lookOf(share: number): string {
  return share < 0.5 ? 'poor' : '';
}

/** 95% interval. */
function range([low, high]: Interval): string {
  return `${percent(low)} to ${percent(high)}`;
}

/** Metrics, confusion matrix, classes, calibration of the best epoch. */
export function qualitySection(story: RunStory): Html {
  const { best, classNames, calibration, ranking } = story;
  if (!best)
    return section(
      'good',
      'Is it good?',
      html`<p class="none">No epoch was validated, so nobody knows yet.</p>`,
    );
  const matrix = confusionTable(classNames, best.confusion);
  const small = classNames.length === 2;
  return section(
    'good',
    'Is it good?',
    html`<p class="hint">Epoch ${best.epoch}, the best by ${judgeOf(story)}, on the ${count(total(best))} validation images.</p>
${rarityNote(classNames, best)}${(story.caveats ?? []).map((caveat) => html`<p>${caveat}.</p>`)}
<div class="grid2"><div>${metricsTable(story, best)}</div><div>${small ? matrix : classTable(classNames, best)}</div></div>${!small && matrix}
${ranking && rankingPart(ranking, best, classNames)}${calibration && calibrationPart(calibration, classNames)}`,
  );
}

/** The metric that picks the best epoch, in words. */
function judgeOf({ options: { metric } }: RunStory): string {
  const label =
    MEANINGS.find(([name]) => name === metric)?.[1] ?? (metric === 'loss' ? 'loss' : 'balanced accuracy');
  return label === 'F1' || label === 'AUROC' ? label : label.toLowerCase();
}

/** Of two classes, where most of what is called the first is the second: the first thing that its user would notice. */
function rarityNote(names: string[], { precision, confusion, recall }: EpochMetrics): Html {
  const share = confusion[0]!.reduce((a, b) => a + b, 0) / confusion.flat().reduce((a, b) => a + b, 0);
  if (names.length !== 2 || !(precision < 0.5 && recall > 0.5)) return html``;
  const name = classHtml(names[0]!);
  return html`<p>When it says ${name} it is right only ${percent(precision)} of the time: ${percent(share)} of these images are, so that even few mistakes with the others outnumber them. Among as many of both it would be ${percent(balancedPrecision(confusion))}.</p>`;
}

/** If both classes had as many images. */
function balancedPrecision([first, second]: number[][]): number {
  const said = (row: number[]) => row[0]! / row.reduce((a, b) => a + b, 0);
  return said(first!) / (said(first!) + said(second!));
}

function total({ confusion }: EpochMetrics): number {
  return confusion.flat().reduce((a, b) => a + b, 0);
}

function metricsTable({ classNames, majority }: RunStory, best: EpochMetrics): Html {
  const intervals = confidenceIntervals(best);
  const guessing: Partial<Record<Name, number>> = {
    balancedAccuracy: 1 / classNames.length,
    accuracy: majority?.accuracy,
    auroc: 0.5,
  };
  const what =
    classNames.length === 2
      ? html`Precision, recall, F1 and average precision are of ${classHtml(classNames[0]!)}.`
      : html`Precision, recall, F1, AUROC and average precision are means over the ${classNames.length} classes (macro).`;
  return html`<div class="scroll"><table><caption>${what}</caption><thead><tr><th scope="col">metric</th><th scope="col">value</th><th scope="col">95% interval</th><th scope="col">guessing</th></tr></thead><tbody>${MEANINGS.map(
    ([name, label, meaning]) =>
      html`<tr><th scope="row" title="${meaning}">${label}</th><td${(name === 'precision' || name === 'recall') && lookOf(best[name]) && html` class="poor"`}>${percent(best[name])}</td><td>${range(intervals[name])}</td><td>${guessing[name] !== undefined && percent(guessing[name])}</td></tr>`,
  )}<tr><th scope="row" title="mean cross-entropy">Loss</th><td>${digits(best.loss)}</td><td></td><td>${digits(Math.log(classNames.length))}</td></tr></tbody></table></div>
<p class="note"><small>The interval says how far luck with these images may reach. It does not know other photographs than yours, nor that the best of several epochs was picked on them.</small></p>`;
}

/** A whole matrix is readable up to here; in large cells up to fewer. */
const MOST_IN_MATRIX = 20;
const MOST_IN_LARGE = 6;

function confusionTable(names: string[], confusion: number[][]): Html {
  if (names.length > MOST_IN_MATRIX) return confusedPairs(names, confusion);
  const dense = names.length > MOST_IN_LARGE ? ' dense' : '';
  return html`<div class="scroll"><table class="confusion${dense}"><caption>Rows: what it is. Columns: what was said.</caption><thead><tr><th></th>${names.map((name) => html`<th scope="col"><span>${classHtml(name)}</span></th>`)}</tr></thead><tbody>${confusion.map(
    (row, truth) => {
      const all = row.reduce((a, b) => a + b, 0);
      return html`<tr><th scope="row">${classHtml(names[truth]!)}</th>${row.map((images, said) => {
        const share = all === 0 ? 0 : images / all;
        return html`<td style="--share:${share.toFixed(3)}"${said === truth && html` class="right"`}><b>${count(images)}</b><small>${percent(share)}</small></td>`;
      })}</tr>`;
    },
  )}</tbody></table></div>`;
}

const MOST_PAIRS = 15;

function confusedPairs(names: string[], confusion: number[][]): Html {
  const pairs = confusion
    .flatMap((row, truth) => {
      const all = row.reduce((a, b) => a + b, 0);
      return row.flatMap((times, said) =>
        truth !== said && times > 0 ? [{ truth, said, times, share: times / all }] : [],
      );
    })
    .sort((a, b) => b.times - a.times || b.share - a.share)
    .slice(0, MOST_PAIRS);
  if (pairs.length === 0) return html`<p class="fine">No image was taken for another class.</p>`;
  return html`<div class="scroll"><table><caption>What is taken for what most often (${names.length} classes; the whole matrix is in results.json)</caption><thead><tr><th scope="col">is</th><th scope="col" class="text">was called</th><th scope="col">times</th><th scope="col">of its class</th></tr></thead><tbody>${pairs.map(
    ({ truth, said, times, share }) =>
      html`<tr><td class="text">${classHtml(names[truth]!)}</td><td class="text">${classHtml(names[said]!)}</td><td>${count(times)}</td><td>${percent(share)}</td></tr>`,
  )}</tbody></table></div>`;
}

const MOST_CLASSES = 20;

function classTable(names: string[], { perClass, confusion }: EpochMetrics): Html {
  const rows = perClass
    .map((scores, k) => ({ ...scores, name: names[k]!, images: confusion[k]!.reduce((a, b) => a + b, 0) }))
    .sort((a, b) => a.f1 - b.f1);
  const shown = rows.slice(0, MOST_CLASSES);
  const left = rows.length - shown.length;
  return html`<div class="scroll"><table><caption>Class by class, the weakest first</caption><thead><tr><th scope="col">class</th><th scope="col">images</th><th scope="col">precision</th><th scope="col">recall</th><th scope="col">F1</th><th scope="col">AUROC</th></tr></thead><tbody>${shown.map(
    ({ name, images, precision, recall, f1, auroc }) =>
      html`<tr><th scope="row">${classHtml(name)}</th><td>${count(images)}</td><td>${percent(precision)}</td><td>${percent(recall)}</td><td>${percent(f1)}</td><td>${percent(auroc)}</td></tr>`,
  )}</tbody></table></div>${left > 0 && html`<p class="note"><small>${left} stronger classes are left out here; metrics.jsonl has them all.</small></p>`}`;
}

function calibrationPart(report: CalibrationReport, classNames: string[]): Html {
  const { temperature, threshold, unsureBelow, answered, answeredRight } = report;
  const { before, after } = report.expectedCalibrationError;
  const direction =
    temperature > 1.1
      ? 'too sure of itself'
      : temperature < 0.9
        ? 'not sure enough of itself'
        : 'about as sure as it should be';
  return html`<h3>Does 90% mean 90%?</h3><div class="grid2"><div>
<p>As trained the network was ${direction}. Its logits are divided by a temperature of <b>${digits(temperature)}</b>; its probabilities then differ from how often they are right by ${percent(after)} on average, before by ${percent(before)} (expected calibration error, 15 bins).</p>
${threshold !== undefined && html`<p>Best balanced accuracy comes from saying ${classHtml(classNames[0]!)} at a probability of <b>${percent(threshold)}</b> or more: ${percent(report.balancedAccuracy.after)}, against ${percent(report.balancedAccuracy.before)} at 50%.</p>`}
<p>${
    answered > 0
      ? html`Below a certainty of <b>${percent(unsureBelow)}</b> its answers count as unsure. It then answers ${percent(answered)} of the images, and is right in ${percent(answeredRight)} of those.`
      : html`No certainty is high enough for 95% right answers, so with <code>--unsure</code> all of them are unsure.`
  }</p>
<p class="note"><small>All three were chosen on the same validation images, which flatters them a little. <code>predict</code> uses them; <code>--no-calibration</code> gives the bare numbers.</small></p></div>
<div>${reliabilityDiagram(report)}</div></div>`;
}
