/** A comparison as one page that needs nothing else. */
import { count, digits, percent } from '../base/words.ts';
import { classHtml, type Html, html, nameHtml, shorten } from '../page/html.ts';
import { figure, links, pageText, section } from '../page/kit.ts';
import { lineChart, type Point, type Series } from '../report/svg_chart.ts';
import { bestOf, COLUMNS, type Comparison, figures, sameImageSentences } from './compare_lines.ts';
import { comparisonRemarks, differingOptions } from './comparison.ts';
import type { FinishedRun } from './finished_run.ts';
import { type AskedImage, disagree } from './same_images.ts';

/** Largest number of lines in a chart that can be distinguished. */
const MOST_LINES = 6;

export function comparePage(comparison: Comparison): string {
  const { runs } = comparison;
  return pageText({
    title: `${runs.length} runs compared`,
    header: html`<h1>${count(runs.length)} runs compared</h1><p class="verdict">${lead(runs)}</p>
${links([
  { id: 'figures', text: 'Which is best?' },
  { id: 'images', text: 'Where do they disagree?' },
  { id: 'options', text: 'What differs?' },
  { id: 'curves', text: 'How did they go?' },
])}`,
    main: html`${figuresSection(comparison)}${imagesSection(comparison)}${optionsSection(runs)}${curvesSection(runs)}`,
    footer: 'Made by birbs-metal compare.',
  });
}

/** By the figure that is shown. */
function lead(runs: FinishedRun[]): Html {
  const best = bestOf(runs);
  const score = ({ results }: FinishedRun) => percent(results.best?.balancedAccuracy ?? 0);
  const isAlone = runs.every((run, i) => i === best || score(run) !== score(runs[best]!));
  return isAlone
    ? html`${nameHtml(runs[best]!.name)} is ahead on its validation images`
    : html`No run is ahead of all others`;
}

function figuresSection(comparison: Comparison): Html {
  const { runs } = comparison;
  const head = COLUMNS.map((word) => html`<th scope="col">${word}</th>`);
  const rows = runs.map((run, i) => {
    const [name = '', ...cells] = figures(run);
    return html`<tr><th scope="row"><i class="swatch p${i % MOST_LINES}"></i>${nameHtml(name)}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
  });
  const notes = [...comparisonRemarks(runs), ...sameImageSentences(comparison)];
  return section(
    'figures',
    'Which is best?',
    html`<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table></div>${notes.map((note) => html`<p>${shorten(note, 600)}</p>`)}`,
  );
}

function imagesSection({ runs, same }: Comparison): Html {
  const title = 'Where do they disagree?';
  if (!same)
    return section('images', title, html`<p class="none">They were not asked about the same images.</p>`);
  const shown = same.images.filter(disagree);
  if (shown.length === 0)
    return section('images', title, html`<p class="fine">On no image: all say the same of each.</p>`);
  const pictured = shown.filter(({ thumbnail }) => thumbnail !== undefined);
  return section(
    'images',
    title,
    html`<p class="hint">On ${count(shown.length)} of ${count(same.images.length)} images.</p><div class="gallery">${pictured.map((image) => picture(image, runs))}</div>`,
  );
}

function picture({ name, truth, answers, thumbnail }: AskedImage, runs: FinishedRun[]): Html {
  const said = answers.map(
    ({ guess, certainty }, i) =>
      html`<p><i class="swatch p${i % MOST_LINES}"></i>${nameHtml(runs[i]!.name)}: <b class="${guess !== truth && 'poor'}">${classHtml(guess)}</b> ${percent(certainty, 0)}</p>`,
  );
  return figure({ name, thumbnail, alt: truth }, html`<p>is <b>${classHtml(truth)}</b></p>${said}`);
}

function optionsSection(runs: FinishedRun[]): Html {
  const options = differingOptions(runs);
  const head = ['option', ...runs.map(({ name }) => name)];
  const body =
    options.length === 0
      ? html`<p class="none">Their options are the same.</p>`
      : html`<div class="scroll"><table><thead><tr>${head.map((word) => html`<th scope="col" class="text">${nameHtml(word)}</th>`)}</tr></thead><tbody>${options.map(
          ({ option, values }) =>
            html`<tr><th scope="row">${option}</th>${values.map((value) => html`<td class="text">${nameHtml(value)}</td>`)}</tr>`,
        )}</tbody></table></div>`;
  return section('options', 'What differs?', body);
}

function curvesSection(runs: FinishedRun[]): Html {
  const shown = runs.slice(0, MOST_LINES);
  const lines = (of: (epoch: FinishedRun['epochs'][number]) => number): Series[] =>
    shown.map(({ name, epochs }, i) => ({
      name: shorten(name, 40),
      look: `p${i}` as Series['look'],
      points: epochs.map((epoch): Point => [epoch.epoch, of(epoch)]),
    }));
  return section(
    'curves',
    'How did they go?',
    html`${runs.length > MOST_LINES && html`<p class="hint">The first ${MOST_LINES} runs.</p>`}<div class="grid2">${lineChart(
      {
        title: 'Balanced accuracy (validation)',
        series: lines(({ validation }) => validation.balancedAccuracy),
        format: (value) => percent(value, 0),
        limits: { high: 1 },
      },
    )}${lineChart({
      title: 'Loss (validation)',
      series: lines(({ validation }) => validation.loss),
      format: digits,
    })}${lineChart({ title: 'Loss (training)', series: lines(({ trainLoss }) => trainLoss), format: digits })}</div>`,
  );
}
