/** The part of the report that shows what other thresholds would give: precision over recall, and ROC. */
import { percent } from '../base/words.ts';
import { classCounts } from '../metrics/metrics.ts';
import type { RankingCurve } from '../metrics/ranking_curve.ts';
import { classHtml, type Html, html } from '../page/html.ts';
import type { EpochMetrics } from '../training/training_state.ts';
import { lineChart, type Point } from './svg_chart.ts';

export function rankingPart(curve: RankingCurve, best: EpochMetrics, classNames: string[]): Html {
  const { classIndex, positives, negatives, found, falsely } = curve;
  if (positives === 0 || negatives === 0) return html``;
  const { recall, precision, averagePrecision, auroc } = best.perClass[classIndex]!;
  const name = classHtml(classNames[classIndex]!);
  const which = classNames.length > 2 && html`The curves are of ${name}, the class that is found least. `;
  const share = positives / (positives + negatives);
  const { guesses, found: right } = classCounts(best, classIndex);
  const wrong = (guesses - right) / negatives;
  const recalls = found.map((n) => n / positives);
  const axes = { format: whole, xFormat: whole, limits: { low: 0, high: 1 }, xLimits: { low: 0, high: 1 } };
  const precisionRecall = lineChart({
    ...axes,
    title: `Precision over recall (average precision ${percent(averagePrecision)})`,
    xLabel: 'recall',
    series: [
      {
        name: 'precision',
        look: 'first',
        points: found.flatMap((n, i): Point[] => (i === 0 ? [] : [[recalls[i]!, n / (n + falsely[i]!)]])),
      },
      ...chanceAndNow([recall, precision], [0, share], [1, share]),
    ],
  });
  const roc = lineChart({
    ...axes,
    title: `ROC (AUROC ${percent(auroc)})`,
    xLabel: 'share of the others that it calls so',
    series: [
      {
        name: 'recall',
        look: 'first',
        points: falsely.map((n, i): Point => [n / negatives, recalls[i]!]),
      },
      ...chanceAndNow([wrong, recall], [0, 0], [1, 1]),
    ],
  });
  return html`<h3>What would another threshold give?</h3>
<p class="hint">${which}Calling more images ${name} finds more of them, and more that are something else. Each point of the curves is a threshold.</p>
<div class="grid2">${precisionRecall}${roc}</div>`;
}

function whole(value: number): string {
  return percent(value, 0);
}

/** Where the model stands by its most probable class, and what guessing would give. */
function chanceAndNow(now: Point, from: Point, to: Point) {
  return [
    { name: 'guessing', look: 'faint' as const, points: [from, to] },
    { name: 'as it answers', look: 'second' as const, points: [now] },
  ];
}
