/** `report.html`: what a person asks in the morning, in the order they ask it; one file, no script, no network. */

import { count, duration, moment } from '../base/words.ts';
import { type Html, html, nameHtml, shorten } from '../page/html.ts';
import { links, pageText, section } from '../page/kit.ts';
import { gradeOf, guessingSentence, verdictOf } from '../training/verdict.ts';
import { courseSection } from './course.ts';
import { dataSection, detailsSection, skippedShare } from './facts.ts';
import { picturesSection } from './pictures.ts';
import { qualitySection, tiles } from './quality.ts';
import type { Incident, RunStory } from './story.ts';

/** The page: below 5 MB for any story. */
export function renderReport(story: RunStory): string {
  return pageText({
    title: `${shorten(story.name, 80)}: ${plainVerdict(story)}`,
    header: header(story),
    main: html`${tiles(story)}${qualitySection(story)}${troubleSection(story)}${picturesSection(story)}${courseSection(story)}${dataSection(story)}${detailsSection(story)}`,
    footer: `Written ${moment(story.writtenAt)} by birbs-metal.`,
  });
}

const LINKS = [
  { id: 'good', text: 'Is it good?' },
  { id: 'trouble', text: 'What went wrong?' },
  { id: 'images', text: 'Which images?' },
  { id: 'course', text: 'How did it go?' },
  { id: 'data', text: 'What was it trained on?' },
  { id: 'details', text: 'How was it made?' },
];

const STATUS = { done: 'Done', running: 'Still running', interrupted: 'Interrupted', failed: 'Failed' };

function header(story: RunStory): Html {
  const { status, reason, epochs, steps, seconds, predict, imagesPerSecond } = story;
  const resume = story.resume && steps > 0 && RESUME[status];
  return html`<h1>Training run ${nameHtml(story.name)}</h1><span class="status ${status}">${STATUS[status]}</span>
<p class="verdict${story.best && ` ${gradeOf({ ...story, best: story.best })}`}">${plainVerdict(story)}</p>
${reason && html`<p>${shorten(reason, 600)}</p>`}
<p class="hint">${epochs.done}${epochs.planned !== null && ` of ${epochs.planned}`} epochs, ${count(steps)} steps in ${duration(seconds)}${imagesPerSecond > 0 && `, ${count(imagesPerSecond)} images a second`}, on ${story.device.name}. Started ${moment(story.startedAt)}, this page written ${moment(story.writtenAt)}.</p>
${predict && story.best && html`<p>Ask it: <code>${predict} photo.jpg</code></p>`}${
  resume && html`<p>${resume}: <code>${shorten(story.resume!, 300)}</code></p>`
}
${links(LINKS)}`;
}

/** A process that was killed could not write that it has stopped. */
const RESUME: Partial<Record<RunStory['status'], string>> = {
  interrupted: 'Resume it',
  failed: 'Resume it',
  running: 'If it has stopped since, resume it',
};

/** The first thing to know, in one sentence. */
function plainVerdict(story: RunStory): string {
  const { status, best, epochs, steps } = story;
  if (!best) {
    if (status === 'failed') return 'It failed before an epoch was done.';
    return status === 'running' ? 'No epoch is done yet.' : 'It ended before an epoch was done.';
  }
  if (steps === 0) return 'It ended before the first training step.';
  const openings = {
    running: 'So far it',
    failed: `It failed in epoch ${epochs.done + 1}, but`,
    done: 'It',
    interrupted: 'It',
  };
  return `${openings[status]} ${verdictOf({ ...story, best })}.`;
}

const MOST_INCIDENTS = 50;

function troubleSection(story: RunStory): Html {
  const { incidents, data, betterThanMajority, best, resumed } = story;
  const skipped = skippedShare(story);
  const notes = [
    resumed.length > 0 && resumedNote(resumed),
    best &&
      !betterThanMajority &&
      guessingSentence({ ...story, best, majorityAccuracy: story.majority?.accuracy ?? 0 }),
    skipped &&
      data &&
      `${count(data.skipped.length)} files (${skipped}) could not be used; they are listed with the data.`,
  ].filter((note) => note);
  const calm = incidents.length === 0 && notes.length === 0 && story.status !== 'failed';
  return section(
    'trouble',
    'What went wrong?',
    html`${calm && html`<p class="fine">Nothing.</p>`}${
      story.status === 'failed' &&
      html`<p><b>${shorten(story.reason ?? 'It failed and did not say why.', 600)}</b></p>`
    }${notes.map((note) => html`<p>${note as string}</p>`)}${
      incidents.length > 0 &&
      html`<ul class="incidents">${incidents.slice(-MOST_INCIDENTS).map(incident)}</ul>`
    }${incidents.length > MOST_INCIDENTS && html`<p class="note">${count(incidents.length - MOST_INCIDENTS)} earlier ones are in the run folder.</p>`}`,
  );
}

const MOST_RESUMED = 5;

function resumedNote(resumed: RunStory['resumed']): string {
  const times = resumed.length === 1 ? 'once' : `${count(resumed.length)} times`;
  const moments = resumed
    .slice(-MOST_RESUMED)
    .map(({ at, step }) => `${moment(at)} after step ${count(step)}`);
  const lately = resumed.length > MOST_RESUMED ? ', most recently' : '';
  return `It stopped and was resumed from a checkpoint ${times}${lately}: ${moments.join(', ')}.`;
}

const MOST_IMAGES = 12;

function incident({ epoch, step, severity, seen, done, images = [] }: Incident): Html {
  const more = images.length > MOST_IMAGES ? `, and ${images.length - MOST_IMAGES} more` : '';
  return html`<li class="${severity}"><p><b>${shorten(seen, 500)}</b></p>${done && html`<p>${shorten(done, 500)}</p>`}<p><small>${severity}, epoch ${epoch}, step ${count(step)}</small></p>${
    images.length > 0 &&
    html`<details><summary>${count(images.length)} images</summary><p><small>${images.slice(0, MOST_IMAGES).map((name, i) => [i > 0 && ', ', nameHtml(name)])}${more}</small></p></details>`
  }</li>`;
}
