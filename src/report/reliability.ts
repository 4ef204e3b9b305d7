/** Reliability diagram and table: accuracy by confidence. */

import { count, percent } from '../base/words.ts';
import type { CalibrationReport, ReliabilityBin } from '../metrics/calibration.ts';
import { type Html, html } from '../page/html.ts';

const SIZE = 400;
const EDGE = { left: 46, right: 8, top: 26, bottom: 36 };
const SIDE = SIZE - EDGE.left - EDGE.right;
const HEIGHT = SIDE * 0.62;

const placeY = (share: number) => tenth(EDGE.top + (1 - share) * HEIGHT);

/** Bars after calibration, lines before; on the diagonal confidence is what it says. */
export function reliabilityDiagram({ reliability, images }: CalibrationReport): Html {
  const { before, after } = reliability;
  const height = EDGE.top + HEIGHT + EDGE.bottom;
  const shares = [0, 0.25, 0.5, 0.75, 1];
  // Two classes have no confidence below a half.
  const first = Math.min(...[before, after].map((bins) => bins.findIndex(({ count }) => count > 0)));
  const least = Math.max(0, first) / after.length;
  const placeX = (share: number) => tenth(EDGE.left + ((share - least) / (1 - least)) * SIDE);
  const bars = after.map((bin, i) =>
    bar(bin, placeX(i / after.length), placeX((i + 1) / after.length), bin.count / images),
  );
  const lines = before.map((bin, i) => line(bin, placeX(i / before.length), placeX((i + 1) / before.length)));
  return html`<figure><figcaption>How often it is right<ul class="legend"><li class="first">calibrated</li><li class="was">as trained</li></ul></figcaption>
<svg viewBox="0 0 ${SIZE} ${Math.round(height)}" role="img" aria-label="Share of right answers by confidence, in ${after.length} bins; the table below has the numbers.">
${shares.map((share) => html`<path class="grid" d="M${EDGE.left} ${placeY(share)}H${SIZE - EDGE.right}"/><text class="y" x="${EDGE.left - 6}" y="${placeY(share) + 4}">${percent(share, 0)}</text><text class="x" x="${placeX(least + share * (1 - least))}" y="${EDGE.top + Math.round(HEIGHT) + 16}">${percent(least + share * (1 - least), 0)}</text>`)}
<text class="x label" x="${SIZE - EDGE.right}" y="${Math.round(height) - 3}">confidence</text>
<text class="y" x="${EDGE.left - 6}" y="12">images</text>${after.map((bin, i) => bin.count > 0 && html`<text class="x" x="${placeX((i + 0.5) / after.length)}" y="12">${short(bin.count)}</text>`)}
${bars}${lines}
<path class="even" d="M${placeX(least)} ${placeY(least)}L${placeX(1)} ${placeY(1)}"/></svg>
<details><summary>As a table</summary><div class="scroll"><table><thead><tr><th scope="col">confidence</th><th scope="col">images</th><th scope="col">mean confidence</th><th scope="col">right</th></tr></thead><tbody>${after.map(
    ({ count: images, confidence, accuracy }, i) =>
      images > 0 &&
      html`<tr><th scope="row">${percent(i / after.length, 0)} to ${percent((i + 1) / after.length, 0)}</th><td>${count(images)}</td><td>${percent(confidence)}</td><td>${percent(accuracy)}</td></tr>`,
  )}</tbody></table></div></details></figure>`;
}

/** Bins are narrow: 12,345 is 12k. */
function short(images: number): string {
  return images < 1000
    ? String(images)
    : images < 10_000
      ? `${(images / 1000).toFixed(1)}k`
      : `${Math.round(images / 1000)}k`;
}

/** Bins with few of the images are drawn pale: their height is mostly luck. */
function bar(bin: ReliabilityBin, left: number, right: number, share: number): Html {
  if (bin.count === 0) return html``;
  const top = placeY(bin.accuracy);
  const opacity = Math.min(1, 0.25 + share * 7.5).toFixed(2);
  return html`<rect class="bin" x="${left + 1}" y="${top}" width="${tenth(right - left - 2)}" height="${tenth(placeY(0) - top)}" fill-opacity="${opacity}">${tip('calibrated', bin)}</rect>`;
}

function line(bin: ReliabilityBin, left: number, right: number): Html {
  if (bin.count === 0) return html``;
  return html`<path class="was" d="M${left + 1} ${placeY(bin.accuracy)}H${right - 1}">${tip('as trained', bin)}</path>`;
}

function tip(when: string, { count: images, confidence, accuracy }: ReliabilityBin): Html {
  return html`<title>${when}: ${count(images)} images, mean confidence ${percent(confidence)}, ${percent(accuracy)} right</title>`;
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}
