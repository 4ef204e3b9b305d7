/** A network as a page: one file that works without a network, from a disk or a web server. */
import { createHash } from 'node:crypto';
import { UserError } from '../../base/errors.ts';
import { version } from '../../base/version.ts';
import { megabytes, percent } from '../../base/words.ts';
import { Html, html, nameHtml } from '../../page/html.ts';
import { STYLE } from '../../page/style.ts';
import { type ExportedModel, storedTensor } from '../exported_model.ts';
import type { NamedTensor } from '../plain_graph.ts';
import type { PageModel, StoredTensor } from './page_model.ts';
import { pageScript } from './page_script.ts';
import { TRY_STYLE } from './try_style.ts';

/**
 * The bytes of the file in pieces.
 * @throws UserError when the network is too large for a page
 */
export function encodeHtml(model: ExportedModel): Uint8Array[] {
  const { network, calibration } = model;
  const pieces: Uint8Array[] = [];
  let offset = 0;
  const store = ({ shape, data }: NamedTensor): { shape: number[]; data: StoredTensor } => {
    const { bytes, isHalf } = storedTensor({ shape, data }, model.width);
    const place = { offset, length: data.length, isHalf };
    pieces.push(bytes);
    offset += bytes.length;
    return { shape, data: place };
  };
  const graph = JSON.parse(
    JSON.stringify(model.graph, (_, value) => (value?.data instanceof Float32Array ? store(value) : value)),
  );
  const page: PageModel = {
    input: network.input,
    normalization: network.normalization,
    classNames: network.classNames,
    temperature: calibration.temperature,
    threshold: calibration.threshold,
    unsureBelow: calibration.unsureBelow,
    graph,
  };
  if (offset > LARGEST)
    throw new UserError(
      `Expected a network of at most ${megabytes(LARGEST)} of weights for a page, but this has ${megabytes(offset)}; export it as ONNX, or train a smaller one`,
    );
  const weights = Buffer.concat(pieces).toString('base64');
  const [before, after] = pageText(model, page).split(WEIGHTS) as [string, string];
  return [before, weights, after].map((text) => Buffer.from(text));
}

/** Bytes of weights: as base64 they have to fit into one string, and nobody waits for more. */
const LARGEST = 200e6;

/** Where the weights come. */
const WEIGHTS = '@@weights@@';

function pageText(model: ExportedModel, page: PageModel): string {
  const { network, calibration } = model;
  const { classNames } = network;
  const title = classNames.length === 2 ? `${classNames[0]} or ${classNames[1]}?` : 'What is in the picture?';
  const [script, style] = [pageScript(), STYLE + TRY_STYLE];
  const policy = `default-src 'none'; script-src '${hashOf(script)}'; style-src '${hashOf(style)}'; base-uri 'none'; form-action 'none'`;
  // In JSON, "<" stands in strings only.
  const json = JSON.stringify(page).replaceAll('<', '\\u003c');
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer"><title>${title}</title><style>${new Html(style)}</style></head><body>
<header><h1>Image classifier</h1><p class="verdict">${title}</p></header>
<main>
<section class="take" aria-label="Add pictures">
<p class="drop"><b>Drop pictures here,</b> paste them, or</p>
<p class="ways"><button type="button" id="choose" class="main">Choose pictures</button><button type="button" id="camera">Use the camera</button></p>
<input type="file" id="file" accept="image/*" multiple hidden>
<p class="hint">Pictures stay on this device: the page has no way to send them.</p>
<div id="live" hidden><video id="video" muted playsinline aria-label="Camera"></video><p id="live-answer" class="answer"></p><p><button type="button" id="shutter" class="main">Take a picture</button></p></div>
</section>
<p id="status" role="status" aria-live="polite"></p>
<p class="options"><label><input type="checkbox" id="why"> Show why: the warmer a place, the more it spoke for the answer</label>${calibration.threshold !== undefined && html`<br><span class="legend-line"></span>${nameHtml(classNames[0]!)} is the answer from ${percent(calibration.threshold)} on`}</p>
<div id="cards" aria-label="Answers"></div>
${about(model)}
</main>
<footer><p>Made with birbs-metal ${version()}. This page is one file and loads nothing.</p></footer>
<noscript><p class="verdict">This page needs JavaScript.</p></noscript>
<script id="model" type="application/json">${new Html(json)}</script>
<script id="weights" type="text/plain">${WEIGHTS}</script>
<script>${new Html(script)}</script>
</body></html>
`.text;
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** What a person should know before they believe an answer. */
function about({ network, calibration, graph, width, metadata }: ExportedModel): Html {
  const { classNames, input } = network;
  const { threshold, unsureBelow } = calibration;
  const fits = {
    cover: 'the middle square is cut out',
    contain: 'padded to a square',
    fill: 'stretched to a square',
  };
  const numbers = graph.layers
    .flatMap(({ operation }) => tensorsIn(operation))
    .reduce((sum, { data }) => sum + data.length, 0);
  const rows: [string, Html | string][] = [
    [
      'It knows',
      html`${classNames.slice(0, 50).map((name, i) => html`${i > 0 && ', '}${nameHtml(name)}`)}${classNames.length > 50 && ` and ${classNames.length - 50} more`}`,
    ],
    [
      'A picture is',
      `turned as the camera says, resized to ${input.height} × ${input.width} pixels, ${fits[input.fit]}`,
    ],
    [
      'Unsure',
      unsureBelow > 0
        ? `below ${percent(unsureBelow)} certainty, where its answers were wrong too often on validation images`
        : 'never',
    ],
    ...(threshold === undefined
      ? []
      : [['Threshold', html`${nameHtml(classNames[0]!)} from ${percent(threshold)} on`] as [string, Html]]),
    [
      'Network',
      `${numbers.toLocaleString('en-US')} weights, ${width === 'fp16' ? 'float16' : 'float32'}, ${megabytes(numbers * (width === 'fp16' ? 2 : 4))}`,
    ],
    ...(metadata.dataHash
      ? [['Training images', html`<code>${metadata.dataHash.slice(0, 16)}</code>`] as [string, Html]]
      : []),
    ...(metadata.pretrainedSource
      ? [
          [
            'Started from',
            `${metadata.pretrainedSource}${metadata.pretrainedLicence ? `, ${metadata.pretrainedLicence}` : ''}`,
          ] as [string, string],
        ]
      : []),
  ];
  return html`<details class="about"><summary>About this classifier</summary><p class="hint">It gives one of its classes to every picture, also where none of them is in it. Its probabilities hold for pictures like those that it was trained on.</p><dl>${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl></details>`;
}

function tensorsIn(value: object): NamedTensor[] {
  return Object.values(value).flatMap((one): NamedTensor[] => {
    if (typeof one !== 'object' || one === null) return [];
    return 'data' in one ? [one as NamedTensor] : tensorsIn(one);
  });
}
