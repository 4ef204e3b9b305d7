/** The parts that our pages are made of: each is one file that loads nothing, and runs nothing but what we wrote. */
import { createHash } from 'node:crypto';
import { Html, html, nameHtml, shorten } from './html.ts';
import { STYLE } from './style.ts';

/** Nothing is loaded and nothing runs, whatever a name in the page says. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** Of a page that asks its own server: this one script runs, and it can reach nothing else. */
export function appPolicy(script: string): string {
  const hash = createHash('sha256').update(script).digest('base64');
  return `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

export interface Page {
  title: string;
  header: Html;
  main: Html;
  footer: string;
}

/** A page with a script, for a server to send with {@link appPolicy}. @param style beside that of all pages */
export function appText({ title, header, main, footer }: Page, script: string, style: string): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${title}</title><style>${new Html(STYLE + style)}</style></head><body>
<header>${header}</header>
<main>${main}</main>
<footer><p>${footer}</p></footer>
<script>${new Html(script)}</script></body></html>
`.text;
}

export function pageText({ title, header, main, footer }: Page): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer"><title>${title}</title><style>${new Html(STYLE)}</style></head><body>
<header>${header}</header>
<main>${main}</main>
<footer><p>${footer} This page is one file and loads nothing.</p></footer>
</body></html>
`.text;
}

/** Leads to the sections of the page. */
export function links(entries: { id: string; text: Html | string; note?: string }[]): Html {
  return html`<nav aria-label="Parts of this page">${entries.map(
    ({ id, text, note }) => html`<a href="#${id}">${text}${note && html` <small>${note}</small>`}</a>`,
  )}</nav>`;
}

export function section(id: string, title: Html | string, body: Html, chip: Html = html``): Html {
  return html`<section id="${id}"><h2>${title}${chip}</h2>${body}</section>`;
}

/** A number to see first. */
export function tile(label: Html | string, value: string, note: Html | string = '', look = ''): Html {
  return html`<div class="tile${look && ` ${look}`}"><span>${label}</span><b>${value}</b><span>${note}</span></div>`;
}

/** A label beside a title, coloured by its meaning. */
export function chip(look: string, text: string): Html {
  return html`<span class="chip ${look}">${text}</span>`;
}

/** Bars of a table, one below the other; shares of the longest. */
export function bars(...shares: number[]): Html[] {
  const length = (share: number) => (Number.isFinite(share) ? Math.min(1, share) : 0).toFixed(4);
  return shares.map(
    (share, i) => html`<div class="bar${i === 1 && ' cool'}" style="--share:${length(share)}"></div>`,
  );
}

/** A page of thumbnails of the usual size is far below this; one that is not is left out. */
const LARGEST_THUMBNAIL = 60_000;

/** A thumbnail that a click or Enter enlarges and restores; undefined if the text is not one of our data URLs. */
export function thumbnail(uri: string | undefined, alt: string, name: string): Html | undefined {
  const isOurs =
    uri !== undefined && uri.length <= LARGEST_THUMBNAIL && /^data:image\/(webp|png|jpeg);base64,/.test(uri);
  if (!isOurs) return undefined;
  const [words, path] = [shorten(alt), shorten(name, 400)];
  return html`<details class="zoom" name="zoom"><summary title="${path}"><img src="${uri}" alt="${words}"><span>${nameHtml(path)}</span></summary></details>`;
}

export interface Shown {
  thumbnail: string | undefined;
  alt: string;
  /** With its folders, which are in the tip. */
  name: string;
  /** In place of a picture that there is not. */
  missing?: string;
}

/** A thumbnail with the name of its file and what there is to say. */
export function figure({ thumbnail: uri, alt, name, missing = '' }: Shown, text: Html): Html {
  const picture = thumbnail(uri, alt, name) ?? html`<span class="blank">${shorten(missing, 80)}</span>`;
  return html`<figure class="pic">${picture}<figcaption>${text}<small title="${shorten(name, 400)}">${nameHtml(shorten(lastPart(name), 40))}</small></figcaption></figure>`;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('/', name.length - 2) + 1);
}
