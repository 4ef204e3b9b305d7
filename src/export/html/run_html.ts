/** Reads an exported page back: that its policy allows what is in it, and what its network answers. */
import { createHash } from 'node:crypto';
import type { RunExported } from '../exported_model.ts';
import { bytesOfBase64, openModel } from './page_model.ts';

/**
 * @returns what computes the outputs for one image, with the code that is in the page
 * @throws Error where the page is not one that {@link encodeHtml} writes
 */
export function openHtml(bytes: Uint8Array): RunExported {
  const text = new TextDecoder('utf8', { fatal: true }).decode(bytes);
  const policy = between(text, 'Content-Security-Policy" content="', '"').replaceAll('&#39;', "'");
  for (const name of ['script', 'style']) {
    const content = between(text, `<${name}>`, `</${name}>`);
    const hash = createHash('sha256').update(content).digest('base64');
    if (!policy.includes(`${name}-src 'sha256-${hash}'`))
      throw new Error(`the policy of the page does not allow its own ${name}`);
  }
  const model = JSON.parse(between(text, '<script id="model" type="application/json">', '</script>'));
  const weights = bytesOfBase64(between(text, '<script id="weights" type="text/plain">', '</script>'));
  return openModel(model, weights);
}

function between(text: string, start: string, end: string): string {
  const from = text.indexOf(start);
  const to = text.indexOf(end, from + start.length);
  if (from < 0 || to < 0) throw new Error(`the page has no ${start}`);
  return text.slice(from + start.length, to);
}
