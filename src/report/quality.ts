/** The part of the report that answers: is it good? */

import { count, digits, percent } from '../base/words.ts';
import type { CalibrationReport } from '../metrics/calibration.ts';
import { confidenceIntervals, type Interval, type Intervals } from '../metrics/intervals.ts';
import { classSizes } from '../metrics/metrics.ts';
import { classHtml, type Html, html } from '../page/html.ts';
import { section, tile } from '../page/kit.ts';
import type { EpochMetrics } from '../training/training_state.ts';
import { isQuestion } from '../training/verdict.ts';
import { classTable, levelsPart, pairsPart, weakestTable } from './many_classes.ts';
import { rankingPart } from './ranking.ts';
import { reliabilityDiagram } from './reliability.ts';
import type { RunStory } from './story.ts';

type Name = keyof Intervals;

const UNKNOWN: Interval = [0, 1];

const MEANINGS: [name: Name, label: string, meaning: string][] = [
  ['balancedAccuracy', 'Balanced accuracy', 'mean over the classes of the share that was found'],
  ['accuracy', 'Accuracy', 'share of all images that was answered right (top 1)'],
  ['topFive', 'Top five', 'share of all images whose class is among the five likeliest'],
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
    tile(label, percent(best[name] ?? 0), range(intervals[name] ?? UNKNOWN), look);
  const first = classHtml(classNames[0]!);
  const asked = isQuestion(classNames)
    ? [
        metric('recall', html`Recall: ${first} images found`, lookOf(best.recall)),
        metric('precision', html`Precision: right when it says ${first}`, lookOf(best.precision)),
      ]
    : classNames.length > FEW
      ? [
          metric('accuracy', 'Top one: the first guess is right'),
          ...(best.topFive === undefined ? [] : [metric('topFive', 'Top five: it is among the first five')]),
          metric('f1', 'Macro F1'),
        ]
      : [metric('accuracy', 'Accuracy'), metric('auroc', 'AUROC')];
  const plain = majority ? `; ${percent(majority.accuracy)} plain` : '';
  const guess = tile('Always guessing', percent(1 / classNames.length), `balanced${plain}`);
  return html`<div class="tiles">${asked}${metric('balancedAccuracy', 'Balanced accuracy', 'lead')}${guess}</div>`;
}

/** With at most this many classes, top-5 accuracy says little. */
const FEW = 5;

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
    return section('good', 'Is it good?', html`<p class="none">No epoch has been validated yet.</p>`);
  return section(
    'good',
    'Is it good?',
    html`<p class="hint">Epoch ${best.epoch}, the best by ${judgeOf(story)}, on the ${count(total(best))} validation images.</p>
${rarityNote(classNames, best)}${(story.caveats ?? []).map((caveat) => html`<p>${caveat}.</p>`)}
${bodyOf(story, best)}
${ranking && rankingPart(ranking, best, classNames)}${calibration && calibrationPart(calibration, classNames)}`,
  );
}

/** Metrics beside the matrix; of many classes the confused pairs and a table of all classes below. */
function bodyOf(story: RunStory, best: EpochMetrics): Html {
  const { classNames } = story;
  const metrics = metricsTable(story, best);
  if (classNames.length > MOST_IN_MATRIX)
    return html`<div class="grid2"><div>${metrics}</div><div>${weakestTable(classNames, best)}</div></div>${levelsPart(story)}${pairsPart(story, best)}${classTable(classNames, best)}`;
  const matrix = confusionTable(classNames, best.confusion);
  if (classNames.length === 2)
    return html`<div class="grid2"><div>${metrics}</div><div>${matrix}</div></div>`;
  return html`<div class="grid2"><div>${metrics}</div><div>${weakestTable(classNames, best)}</div></div>${matrix}${levelsPart(story)}`;
}

/** The metric that picks the best epoch, in words. */
function judgeOf({ options: { metric } }: RunStory): string {
  const label =
    MEANINGS.find(([name]) => name === metric)?.[1] ?? (metric === 'loss' ? 'loss' : 'balanced accuracy');
  return label === 'F1' || label === 'AUROC' ? label : label.toLowerCase();
}

/** With two classes, a warning if most images classified as the first belong to the second. */
function rarityNote(names: string[], { precision, confusion, recall }: EpochMetrics): Html {
  if (names.length !== 2) return html``;
  const share = confusion[0]!.reduce((a, b) => a + b, 0) / confusion.flat().reduce((a, b) => a + b, 0);
  if (!(precision < 0.5 && recall > 0.5)) return html``;
  const name = classHtml(names[0]!);
  return html`<p>When it says ${name} it is right only ${percent(precision)} of the time: ${percent(share)} of these images are, so that even few mistakes with the others outnumber them. Among as many of both it would be ${percent(balancedPrecision(confusion))}.</p>`;
}

/** If both classes had as many images. */
function balancedPrecision([first, second]: number[][]): number {
  const said = (row: number[]) => row[0]! / row.reduce((a, b) => a + b, 0);
  return said(first!) / (said(first!) + said(second!));
}

function total(best: EpochMetrics): number {
  return classSizes(best).reduce((a, b) => a + b, 0);
}

function metricsTable({ classNames, majority }: RunStory, best: EpochMetrics): Html {
  const intervals = confidenceIntervals(best);
  const guessing: Partial<Record<Name, number>> = {
    balancedAccuracy: 1 / classNames.length,
    accuracy: majority?.accuracy,
    topFive: Math.min(1, 5 / classNames.length),
    auroc: 0.5,
  };
  const what =
    classNames.length === 2
      ? html`Precision, recall, F1 and average precision are of ${classHtml(classNames[0]!)}.`
      : html`Precision, recall, F1, AUROC and average precision are means over the ${classNames.length} classes (macro).`;
  const rows = MEANINGS.filter(
    ([name]) => name !== 'topFive' || (best.topFive !== undefined && classNames.length > FEW),
  );
  return html`<div class="scroll"><table><caption>${what}</caption><thead><tr><th scope="col">metric</th><th scope="col">value</th><th scope="col">95% interval</th><th scope="col">guessing</th></tr></thead><tbody>${rows.map(
    ([name, label, meaning]) =>
      html`<tr><th scope="row" title="${meaning}">${label}</th><td${(name === 'precision' || name === 'recall') && lookOf(best[name]!) && html` class="poor"`}>${percent(best[name] ?? 0)}</td><td>${range(intervals[name] ?? UNKNOWN)}</td><td>${guessing[name] !== undefined && percent(guessing[name])}</td></tr>`,
  )}<tr><th scope="row" title="mean cross-entropy">Loss</th><td>${digits(best.loss)}</td><td></td><td>${digits(Math.log(classNames.length))}</td></tr></tbody></table></div>
<p class="note"><small>The interval says how far luck with these images may reach. It does not know other photographs than yours, nor that the best of several epochs was picked on them.</small></p>`;
}

/** A whole matrix is readable up to here; in large cells up to fewer. */
const MOST_IN_MATRIX = 20;
const MOST_IN_LARGE = 6;

function confusionTable(names: string[], confusion: number[][]): Html {
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
