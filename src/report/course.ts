/** The part of the report on how the training went: curves, epochs, where the time went. */

import { count, digits, duration, percent } from '../base/words.ts';
import { type Html, html } from '../page/html.ts';
import { section } from '../page/kit.ts';
import type { RateSweep } from '../training/find_rate.ts';
import type { EpochPoint, RunStory } from './story.ts';
import { lineChart, type Point } from './svg_chart.ts';

export function courseSection(story: RunStory): Html {
  const { curve, rateSweep, best, epochs: length } = story;
  const steps = (of: 'loss' | 'learningRate' | 'gradientNorm') =>
    curve.steps.map((step): Point => [step.at, step[of]]);
  const epochs = (of: (epoch: EpochPoint) => number) =>
    curve.epochs.map((epoch): Point => [epoch.epoch, of(epoch)]);
  const mark = best ? { x: best.epoch, label: 'best' } : undefined;
  return section(
    'course',
    'How did it go?',
    html`${advice(curve.epochs, length.planned === null ? 'time' : 'epochs')}
<div class="grid2">${lineChart({
      title: 'Loss',
      series: [
        { name: 'step', look: 'faint', points: steps('loss') },
        { name: 'training', look: 'first', points: epochs(({ trainLoss }) => trainLoss) },
        { name: 'validation', look: 'second', points: epochs(({ validation }) => validation.loss) },
      ],
      format: digits,
      mark,
    })}${lineChart({
      title: 'Validation',
      series: [
        {
          name: 'balanced accuracy',
          look: 'second',
          points: epochs(({ validation }) => validation.balancedAccuracy),
        },
        { name: 'AUROC', look: 'first', points: epochs(({ validation }) => validation.auroc) },
      ],
      format: (value) => percent(value, 0),
      limits: { high: 1 },
      mark,
    })}${lineChart({
      title: 'Learning rate',
      series: [{ name: 'learning rate', look: 'first', points: steps('learningRate') }],
      format: digits,
      limits: { low: 0 },
    })}${lineChart({
      title: 'Gradient norm',
      series: [{ name: 'gradient norm', look: 'faint', points: steps('gradientNorm') }],
      format: digits,
      ...(spreads(curve.steps.map(({ gradientNorm }) => gradientNorm))
        ? { log: { y: true } }
        : { limits: { low: 0 } }),
    })}${lineChart({
      title: 'Images a second',
      series: [
        { name: 'images a second', look: 'second', points: epochs(({ imagesPerSecond }) => imagesPerSecond) },
      ],
      format: digits,
      limits: { low: 0 },
    })}${rateSweep && sweepChart(rateSweep)}</div>${epochTable(curve.epochs)}${timePart(story)}`,
  );
}

function sweepChart({ points, suggestion }: RateSweep): Html {
  return lineChart({
    title: 'Learning rate finder',
    series: [
      {
        name: 'loss',
        look: 'faint',
        points: points.map(({ learningRate, loss }): Point => [learningRate, loss]),
      },
      {
        name: 'smoothed',
        look: 'first',
        points: points.map(({ learningRate, smoothed }): Point => [learningRate, smoothed]),
      },
    ],
    format: digits,
    log: { x: true },
    xLabel: 'learning rate',
    xFormat: digits,
    mark: suggestion === null ? undefined : { x: suggestion, label: `suggested: ${digits(suggestion)}` },
  });
}

/** Over more than two powers of ten. */
function spreads(values: number[]): boolean {
  const finite = values.filter((value) => Number.isFinite(value) && value > 0).sort((a, b) => a - b);
  return finite.length > 1 && finite[Math.floor(finite.length * 0.99)]! > 100 * finite[0]!;
}

/** What the two loss curves say together. */
function advice(epochs: EpochPoint[], more: 'time' | 'epochs'): Html {
  if (epochs.length < 4) return html``;
  const losses = epochs.map(({ validation }) => validation.loss);
  const lowest = losses.indexOf(
    losses.filter(Number.isFinite).reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
  );
  if (lowest < 0) return html``;
  const last = epochs.length - 1;
  const ending = losses.slice(-3).reduce((a, b) => a + b) / 3;
  const falls = epochs[last]!.trainLoss < epochs[lowest]!.trainLoss;
  if (lowest < last - 1 && falls && ending > losses[lowest]! * 1.1)
    return html`<p class="hint">From epoch ${epochs[lowest]!.epoch} on the network overfitted: the training loss kept falling while the validation loss rose. More images, more augmentation or ${more === 'time' ? 'less time' : 'fewer epochs'} help.</p>`;
  if (lowest === last)
    return html`<p class="hint">The validation loss was still falling at the end: more ${more} may help.</p>`;
  return html``;
}

/** More lines than this are thinned; `metrics.csv` has them all. */
const MOST_LINES = 100;

function epochTable(epochs: EpochPoint[]): Html {
  if (epochs.length === 0) return html``;
  const every = Math.ceil(epochs.length / MOST_LINES);
  const shown = epochs.filter((_, i) => i % every === 0 || i === epochs.length - 1);
  return html`<details><summary>The numbers ${every > 1 ? `of every ${every} epochs (metrics.csv has them all)` : 'of every epoch'}</summary><div class="scroll"><table><thead><tr><th scope="col">epoch</th><th scope="col">training loss</th><th scope="col">validation loss</th><th scope="col">balanced accuracy</th><th scope="col">accuracy</th><th scope="col">AUROC</th><th scope="col">images/s</th><th scope="col">took</th></tr></thead><tbody>${shown.map(
    ({ epoch, trainLoss, validation, imagesPerSecond, seconds }) =>
      html`<tr><th scope="row">${epoch}</th><td>${digits(trainLoss)}</td><td>${digits(validation.loss)}</td><td>${percent(validation.balancedAccuracy)}</td><td>${percent(validation.accuracy)}</td><td>${percent(validation.auroc)}</td><td>${count(imagesPerSecond)}</td><td>${duration(seconds)}</td></tr>`,
  )}</tbody></table></div></details>`;
}

const COLOURS = 6;

function timePart({ time }: RunStory): Html {
  const parts = time?.parts.filter(({ seconds }) => seconds > 0) ?? [];
  const all = parts.reduce((sum, { seconds }) => sum + seconds, 0);
  if (!time || all === 0) return html``;
  const share = (seconds: number) => (seconds / all).toFixed(4);
  return html`<h3>Where the time went</h3><div class="split" aria-hidden="true">${parts.map(
    ({ seconds }, i) => html`<i class="p${i % COLOURS}" style="--share:${share(seconds)}"></i>`,
  )}</div><table><tbody>${parts.map(
    ({ name, seconds }, i) =>
      html`<tr><th scope="row"><span class="swatch p${i % COLOURS}"></span>${name}</th><td>${duration(seconds)}</td><td>${percent(seconds / all)}</td></tr>`,
  )}</tbody></table>${time.advice && html`<p><b>${time.advice}</b></p>`}`;
}
