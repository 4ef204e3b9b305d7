/** The command that examines images before they are trained on. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { cacheFolder } from './base/cache_folder.ts';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { saveFile } from './base/files.ts';
import { printable } from './base/words.ts';
import { checkSources } from './check/check_dataset.ts';
import { reportLines } from './check/check_lines.ts';
import { pageOf } from './check/check_page.ts';
import { parseCheck } from './options.ts';
import { usualImageSize } from './run/choose_network.ts';
import { reporter } from './ui/console.ts';

/** Prints what is out of the ordinary, and answers with the exit code: findings are no failure. */
export async function checkCommand(
  words: string[],
  signal: AbortSignal,
  { command = 'npx tsx src/check.ts' } = {},
): Promise<number> {
  const line = parseCheck(words, command);
  if ('print' in line) {
    process.stdout.write(`${line.print}\n`);
    return 0;
  }
  const { values, files } = line;
  const { json, html } = values;
  if (html !== undefined) await expectFolder(html);
  const cacheDir = values.cache ?? cacheFolder();
  const report = reporter(json ? 'none' : 'plain', process.stdout, '');
  const data = [...files, ...values.data];
  const sources = [...data, ...values.birds, ...values.notBirds];
  const checked = await checkSources({
    ...values,
    data,
    imageSize: values.imageSize ?? usualImageSize(sources),
    validation: values.val,
    cacheDir,
    onProgress: (progress) => report({ type: 'reading', ...progress }),
    signal,
  });
  if (html !== undefined) await saveFile(html, await pageOf(checked, { cacheDir, signal }));
  const lines = json ? [JSON.stringify(checked.report)] : reportLines(checked.report);
  if (html !== undefined && !json) lines.push('', `Pictures of all this are in ${html}`);
  process.stdout.write(`${process.stdout.isTTY ? '\r\x1b[K' : ''}${lines.map(printable).join('\n')}\n`);
  return 0;
}

/** Known before all images are read: whether the page has a place. */
async function expectFolder(html: string): Promise<void> {
  const folder = dirname(html);
  const found = await stat(folder).catch(() => null);
  if (!found?.isDirectory())
    throw new UserError(`Expected a folder for the page ${html}, but there is no "${folder}"; make it first`);
}

if (isMain(import.meta.url)) void runCommand(checkCommand);
