/** The part of the report that shows images: mistakes, doubts, labels that may be wrong. */

import { count, digits, percent } from '../base/words.ts';
import { classHtml, type Html, html } from '../page/html.ts';
import { figure, section } from '../page/kit.ts';
import { MOST_PICTURES } from '../training/findings.ts';
import { gradeOf } from '../training/verdict.ts';
import type { Picture, RunStory, Suspect } from './story.ts';

export function picturesSection(story: RunStory): Html {
  const { mistakes, unsure, suspects, best, network } = story;
  if (!best && suspects.length === 0)
    return section('images', 'Which images?', html`<p class="none">No epoch was validated.</p>`);
  const isGood = best ? gradeOf({ ...story, best }) !== 'poor' : false;
  return section(
    'images',
    'Which images?',
    html`${network && html`<p class="hint">As the network sees them, ${network.imageSize} × ${network.imageSize} pixels; a click enlarges an image.</p>`}<h3>Worst mistakes</h3>${
      mistakes.length > 0
        ? html`<p class="hint">Validation images it was most certain about, and wrong.${isGood && ' Sometimes the label is what is wrong.'}</p>${gallery(mistakes.map(mistake))}${reasons(mistakes)}`
        : html`<p class="fine">No validation image was answered wrong.</p>`
    }
${
  unsure.length > 0 &&
  html`<h3>Most unsure</h3><p class="hint">Validation images nearest to a toss-up. More images like these teach it most.</p>${gallery(unsure.map(doubt))}`
}
${suspects.length > 0 && html`<h3>Labels to check</h3>${isGood ? labelsToCheck(suspects) : TOO_POOR}`}`,
  );
}

/** What a model that is mostly wrong does not believe says nothing about the labels. */
const TOO_POOR = html`<p class="none">This model is wrong too often for its doubts to say anything about the labels. Look here again when it is better; until then <code>data check</code> finds copies and look-alikes under two classes.</p>`;

function labelsToCheck(suspects: Suspect[]): Html {
  return html`<p class="hint">Images of training and validation to whose label it gave less than a guess, on average and the last time. Correct what is mislabelled, and train again.</p>${gallery(suspects.map(suspect))}`;
}

function gallery(items: Html[]): Html {
  return html`<div class="gallery">${items.slice(0, MOST_PICTURES)}</div>`;
}

function mistake({ name, truth, guess, certainty, thumbnail }: Picture): Html {
  return figure(
    { name, thumbnail, alt: `${truth}, taken for ${guess}` },
    html`<p>said <b>${classHtml(guess)}</b> (${percent(certainty, 0)}), is <b>${classHtml(truth)}</b></p>`,
  );
}

/** Why the worst mistakes were made. */
function reasons(mistakes: Picture[]): Html {
  const explained = mistakes.filter(({ why }) => why !== undefined);
  if (explained.length === 0) return html``;
  return html`<details><summary>Why these answers?</summary><p class="hint">What spoke for the answer is red, what spoke against it blue${explained.some(({ why }) => why!.nearest.length > 0) && '; beside it the training images that are most like it to the network'}.</p>${explained.map(reason)}</details>`;
}

function reason({ name, guess, why }: Picture): Html {
  const { heat, other, nearest } = why!;
  const shown = heat
    ? [
        figure(
          { name, thumbnail: heat, alt: `what speaks for ${guess}` },
          html`<p>red for <b>${classHtml(guess)}</b>${other !== undefined && html`, blue for <b>${classHtml(other)}</b>`}</p>`,
        ),
      ]
    : [];
  const like = nearest.map(({ label, similarity, ...one }) =>
    figure(
      { name: one.name, thumbnail: one.thumbnail, alt: `training image, ${label}` },
      html`<p>trained on as <b>${classHtml(label)}</b>, similarity ${similarity.toFixed(2)}</p>`,
    ),
  );
  return gallery([...shown, ...like]);
}

function doubt({ name, truth, guess, certainty, thumbnail }: Picture): Html {
  const right = guess === truth ? 'rightly' : html`is <b>${classHtml(truth)}</b>`;
  return figure(
    { name, thumbnail, alt: truth },
    html`<p>said <b>${classHtml(guess)}</b> (${percent(certainty, 0)}), ${right}</p>`,
  );
}

function suspect({ name, label, meanLoss, lastLoss, times, thumbnail }: Suspect): Html {
  return figure(
    { name, thumbnail, alt: `labelled ${label}` },
    html`<p>labelled <b>${classHtml(label)}</b>, loss ${digits(meanLoss)} over ${count(times)} times, last ${digits(lastLoss)}</p>`,
  );
}
