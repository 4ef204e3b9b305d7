/** The pages of `serve` and `review`. */
import { type Html, html, nameHtml } from '../page/html.ts';
import { appPolicy, appText } from '../page/kit.ts';
import { APP_SCRIPT } from './app_script.ts';
import { APP_STYLE } from './app_style.ts';
import type { Route } from './image_server.ts';

/** What the pages say of themselves. */
export interface PageFacts {
  /** Of the model: the name of its run or file. */
  model: string;
  classNames: readonly string[];
  /** Whether corrections are saved. */
  saves: boolean;
}

const MOST_NAMES = 6;

function question({ classNames }: PageFacts): string {
  if (classNames.length > MOST_NAMES) return `Which of ${classNames.length} is it?`;
  const [first = '', second] = classNames;
  if (classNames.length === 2 && second === `not-${first}`) return `Is it a ${first}?`;
  return `${classNames.slice(0, -1).join(', ')} or ${classNames.at(-1)}?`;
}

function correcting({ saves }: PageFacts, moves: Html): Html {
  if (!saves) return html``;
  return html`<p class="hint">Keys: <kbd>1</kbd>–<kbd>9</kbd> say what it is, ${moves}<kbd>←</kbd> <kbd>→</kbd> move, <kbd>U</kbd> takes the last one back. Corrections are saved in <code id="folder"></code>, a folder for each class, for the next training.</p>
<p class="bars-row"><span class="tag" id="count">0 corrections</span><button type="button" id="undo" disabled><kbd aria-hidden="true">U</kbd> Undo</button></p>`;
}

export function servePage(facts: PageFacts): string {
  return appText(
    {
      title: `${question(facts)} ${facts.model}`,
      header: html`<h1>${nameHtml(facts.model)}</h1><p class="verdict">${question(facts)}</p>`,
      main: html`<label class="drop" id="drop"><b>Drop pictures here, paste them, or choose</b><span class="note">They go to the program on this computer or network that shows this page, and nowhere else.</span><input class="unseen" type="file" id="files" multiple accept="image/*,.heic,.avif,.tif,.tiff,.bmp"></label>
<p id="status" role="status"></p>${correcting(facts, html`<kbd>N</kbd> goes to the next unsure one, `)}
<ol id="cards" aria-label="Answers"></ol>`,
      footer: 'Served by birbs-metal.',
    },
    APP_SCRIPT,
    APP_STYLE,
  );
}

export function reviewPage(facts: PageFacts, total: number): string {
  return appText(
    {
      title: `Review of ${facts.model}`,
      header: html`<h1>Review of ${nameHtml(facts.model)}</h1><p class="verdict">${total === 1 ? '1 image' : `${total} images`} in doubt, the worst first</p>`,
      main: html`<p class="hint" id="review">Each shows the label that it has. The key of that label says that it is right; another one puts it right.</p>
<p id="status" role="status"></p>${correcting(facts, html``)}
<ol id="cards" aria-label="Images in doubt"></ol><p><button type="button" id="more">More</button></p>`,
      footer: 'Served by birbs-metal.',
    },
    APP_SCRIPT,
    APP_STYLE,
  );
}

/** @param text of a page of ours, which is the same for every request */
export function pageRoute(text: string): Route {
  const headers = { 'content-security-policy': appPolicy(APP_SCRIPT) };
  return { isOpen: true, answer: () => ({ type: 'text/html; charset=utf-8', body: text, headers }) };
}
