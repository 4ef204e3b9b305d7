/** HTML by templates in which every value is escaped. */

import { displayName } from '../base/class_names.ts';
import { printable } from '../base/words.ts';

/** Text that is HTML already. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Value = Html | string | number | false | null | undefined | Value[];

/** Values are text unless they are {@link Html}; lists are joined; false, null and undefined are nothing. */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(parts.map((part, i) => part + (i < values.length ? textOf(values[i]) : '')).join(''));
}

function textOf(value: Value): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(textOf).join('');
  if (value === false || value === null || value === undefined) return '';
  return escapeText(String(value));
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A line break is a space to HTML; of the other controls it has no place for most, and some turn the direction of writing. */
function escapeText(text: string): string {
  return printable(text.replace(/[\t\n\r]/g, ' '))
    .replace(/[\ud800-\udfff]/gu, '\ufffd')
    .replace(/[&<>"']/g, (sign) => ENTITIES[sign]!);
}

const LONGEST = 160;

/** A name that somebody else gave: cut where it is endless, its writing direction kept from the rest of the line. */
export function nameHtml(text: string): Html {
  return html`<bdi>${shorten(text)}</bdi>`;
}

/** Of a class, where there is little room. */
export function classHtml(name: string): Html {
  return nameHtml(shorten(displayName(name), 40));
}

/** Shortens a long text by replacing its middle with an ellipsis. */
export function shorten(text: string, longest = LONGEST): string {
  const letters =
    text.length > longest * 4 ? [...text.slice(0, longest * 2), ...text.slice(-longest * 2)] : [...text];
  if (letters.length <= longest) return text;
  const side = Math.floor((longest - 1) / 2);
  return `${letters.slice(0, side).join('')}…${letters.slice(-side).join('')}`;
}
