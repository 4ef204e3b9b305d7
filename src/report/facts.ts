/** The parts of the report that one looks up: data, options, environment. */
import { count, moment, percent, quote } from '../base/words.ts';
import { classHtml, type Html, html, nameHtml, shorten } from '../page/html.ts';
import { bars, section } from '../page/kit.ts';
import type { DataFacts, RunStory } from './story.ts';

const MOST_CLASSES = 24;
const MOST_NAMES = 50;
const MOST_RESUMED = 20;

const TITLE = 'What was it trained on?';

export function dataSection({ data, classNames }: RunStory): Html {
  if (!data) return section('data', TITLE, html`<p class="none">It ended before the images were read.</p>`);
  const { sources, health, dropped, hash, lock } = data;
  return section(
    'data',
    TITLE,
    html`${balanceTable(data, classNames)}
<h3>Sources</h3><div class="scroll"><table><thead><tr><th scope="col">source</th><th scope="col">images</th><th scope="col" class="text">revision</th></tr></thead><tbody>${sources
      .slice(0, MOST_NAMES)
      .map(
        ({ source, images, revision }) =>
          html`<tr><th scope="row">${nameHtml(source)}</th><td>${count(images)}</td><td class="text">${revision && html`<code>${shorten(revision, 20)}</code>`}</td></tr>`,
      )}</tbody></table></div>
<dl><dt>Worth knowing</dt><dd>${health.length > 0 ? shorten(health.join('. '), 600) : 'no image is a duplicate or near-duplicate of another'}</dd>${
      dropped > 0 &&
      html`<dt>Left out</dt><dd>${count(dropped)} training images that the validation has too</dd>`
    }<dt>Hash of the data</dt><dd><code>${hash}</code></dd>${lock && html`<dt>Lock</dt><dd><code>${lock}</code></dd>`}</dl>${skippedPart(data)}`,
  );
}

function balanceTable({ train, balanced, validation, balance }: DataFacts, names: string[]): Html {
  const rows = names.map((name, k) => ({
    name,
    train: train[k]!,
    balanced: balanced[k]!,
    validation: validation[k]!,
  }));
  const order = [...rows].sort((a, b) => b.train - a.train);
  const half = MOST_CLASSES / 2;
  const shown = rows.length > MOST_CLASSES ? [...order.slice(0, half), ...order.slice(-half)] : rows;
  const most = order[0]?.train ?? 0;
  const sum = (of: 'train' | 'balanced' | 'validation') =>
    count(rows.reduce((total, row) => total + row[of], 0));
  return html`<div class="scroll"><table class="bars"><caption>Images by class${rows.length > MOST_CLASSES && html`: the ${half} largest and the ${half} smallest of ${rows.length}`}. Bars: training images before and after balancing (${balance}).</caption><thead><tr><th scope="col">class</th><th scope="col">training</th><th scope="col">balanced</th><th scope="col">validation</th><th></th></tr></thead><tbody>${shown.map(
    (row) =>
      html`<tr><th scope="row">${classHtml(row.name)}</th><td>${count(row.train)}</td><td>${count(row.balanced)}</td><td>${count(row.validation)}</td><td>${bars(row.train / most, row.balanced / most)}</td></tr>`,
  )}<tr><th scope="row">all</th><td>${sum('train')}</td><td>${sum('balanced')}</td><td>${sum('validation')}</td><td></td></tr></tbody></table></div>`;
}

function skippedPart({ skipped }: DataFacts): Html {
  if (skipped.length === 0) return html``;
  const left = skipped.length - MOST_NAMES;
  return html`<details><summary>${count(skipped.length)} files could not be used</summary><div class="scroll"><table><tbody>${skipped
    .slice(0, MOST_NAMES)
    .map(
      ({ name, reason }) =>
        html`<tr><th scope="row">${nameHtml(name)}</th><td class="text">${shorten(reason)}</td></tr>`,
    )}</tbody></table></div>${left > 0 && html`<p class="note"><small>and ${count(left)} more</small></p>`}</details>`;
}

export function detailsSection(story: RunStory): Html {
  const { network, pretrained, device, options, environment, commandLine, resumed } = story;
  return section(
    'details',
    'How was it made?',
    html`${commandLine.length > 0 && html`<pre>${shorten(commandLine.map(quote).join(' '), 4000)}</pre>`}
${resumed.length > 0 && html`<p>Resumed ${resumed.length === 1 ? 'once' : `${resumed.length} times`}:</p><ul>${resumed.slice(-MOST_RESUMED).map(({ at, step, remarks }) => html`<li>${moment(at)}, after step ${count(step)}${remarks.map((remark) => `; ${shorten(remark, 300)}`)}</li>`)}</ul>`}
<div class="grid2"><div><h3>Options</h3>${list(Object.entries(options).map(([name, value]) => [name, optionText(value)]))}</div>
<div><h3>Machine</h3>${list([
      ['device', `${device.name} (${device.description})`],
      ['chosen because', device.reason],
      ...Object.entries(environment),
    ])}${
      network &&
      html`<h3>Network</h3>${list([
        ['name', network.name],
        ['image', `${network.imageSize} x ${network.imageSize} pixels`],
        ['weights', count(network.weights)],
        ...(pretrained
          ? ([
              ['starts from', pretrained.source],
              ['licence', pretrained.licence ?? 'that of your file'],
            ] as [string, string][])
          : []),
      ])}`
    }</div></div>`,
  );
}

function list(entries: [name: string, value: string][]): Html {
  return html`<dl>${entries.map(([name, value]) => html`<dt>${shorten(name, 60)}</dt><dd>${nameHtml(shorten(value, 300))}</dd>`)}</dl>`;
}

function optionText(value: unknown): string {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return '–';
  if (Array.isArray(value)) return value.map(String).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Share of images that were skipped, for the first lines. */
export function skippedShare({ data }: RunStory): string | undefined {
  if (!data || data.skipped.length === 0) return undefined;
  const images = data.sources.reduce((sum, { images }) => sum + images, 0);
  return percent(data.skipped.length / (images + data.skipped.length));
}
