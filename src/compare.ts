/** The command that compares runs. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { saveFile } from './base/files.ts';
import { printable } from './base/words.ts';
import { type Comparison, compareLines } from './compare/compare_lines.ts';
import { comparePage } from './compare/compare_page.ts';
import { differingOptions } from './compare/comparison.ts';
import { readRuns } from './compare/finished_run.ts';
import { askAll } from './compare/same_images.ts';
import { parseCompare } from './options.ts';

/** The command: prints a table, writes a page if asked, and answers with the exit code. */
export async function compareCommand(
  words: string[],
  signal: AbortSignal,
  { command = 'npx tsx src/compare.ts' } = {},
): Promise<number> {
  const line = parseCompare(words, command);
  if ('print' in line) {
    process.stdout.write(`${line.print}\n`);
    return 0;
  }
  const { html, images, json, ...options } = line.values;
  if (html !== undefined) await expectFolder(html);
  const runs = await readRuns(line.files);
  const comparison: Comparison = images
    ? { runs, ...(await askOrSay(askAll(runs, options, signal))) }
    : { runs, remark: '--no-images' };
  if (html !== undefined) await saveFile(html, comparePage(comparison));
  const lines = json ? [JSON.stringify(jsonOf(comparison))] : compareLines(comparison);
  if (html !== undefined && !json) lines.push('', `Curves, and the images on which they disagree: ${html}`);
  process.stdout.write(`${lines.map(printable).join('\n')}\n`);
  return 0;
}

/** Runs can be compared by what they have kept, though their images are gone. */
async function askOrSay(asking: ReturnType<typeof askAll>): Promise<Omit<Comparison, 'runs'>> {
  try {
    return { same: await asking };
  } catch (error) {
    if (error instanceof UserError) return { remark: error.message };
    throw error;
  }
}

function jsonOf({ runs, same, remark }: Comparison): object {
  return {
    runs: runs.map(({ folder, name, results }) => ({ folder, name, results })),
    options: differingOptions(runs),
    images: same?.images.map(({ thumbnail: _, ...image }) => image) ?? null,
    remark,
  };
}

async function expectFolder(html: string): Promise<void> {
  const found = await stat(dirname(html)).catch(() => null);
  if (!found?.isDirectory())
    throw new UserError(
      `Expected a folder for the page ${html}, but there is no "${dirname(html)}"; make it first`,
    );
}

if (isMain(import.meta.url)) void runCommand(compareCommand);
