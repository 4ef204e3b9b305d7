/** The command that shows a model as a page and answers over HTTP. */
import { basename, dirname } from 'node:path';
import { isMain, runCommand } from './base/command.ts';
import { count } from './base/words.ts';
import { CORRECTIONS_FILE } from './data/corrections_mark.ts';
import { ClassFolders } from './filing/class_folders.ts';
import { parseServe } from './options.ts';
import { openPredictor } from './predictor/predictor.ts';
import { trainAgain } from './run/train_again.ts';
import { correctionRoutes } from './server/correction_routes.ts';
import { predictRoutes } from './server/predict_routes.ts';
import { pageRoute, servePage } from './server/serve_page.ts';
import { serveUntil } from './server/serve_until.ts';

/** The command: serves until it is interrupted, and answers with the exit code. */
export async function serveCommand(
  words: string[],
  signal: AbortSignal,
  { command = 'npx tsx src/serve.ts', train = 'npx tsx src/train.ts' } = {},
): Promise<number> {
  const line = parseServe(words, command);
  if ('print' in line) {
    process.stdout.write(`${line.print}\n`);
    return 0;
  }
  const { port, host, token, corrections = 'corrections', correct, ...options } = line.values;
  const folders = correct ? await ClassFolders.open(corrections, CORRECTIONS_FILE) : undefined;
  const before = folders?.count ?? 0;
  const predictor = await openPredictor({ ...options, model: line.files[0] });
  const { classNames, path, device } = predictor;
  const model = nameOf(path);
  let answered = 0;
  try {
    await serveUntil(signal, { host, port, token }, `${path} (${classNames.length} classes) on ${device}`, {
      'GET /': pageRoute(servePage({ model, classNames, saves: correct })),
      ...predictRoutes(predictor, {
        about: () => ({
          model,
          classNames,
          device,
          corrections: folders ? { folder: corrections, count: folders.count } : null,
        }),
        onAnswers: (images) => {
          answered += images;
        },
      }),
      ...(folders ? correctionRoutes(folders, classNames) : {}),
    });
  } finally {
    await predictor.dispose();
  }
  const saved = (folders?.count ?? 0) - before;
  process.stdout.write(`Answered ${count(answered)} images, saved ${count(saved)} corrections.\n`);
  if (saved > 0)
    process.stdout.write(`Learn from them: ${await trainAgain(train, dirname(path), corrections)}\n`);
  return 0;
}

/** A run by its folder, other weights by their file. */
function nameOf(path: string): string {
  return /^(best|last)\.safetensors$/.test(basename(path)) ? basename(dirname(path)) : basename(path);
}

if (isMain(import.meta.url)) void runCommand(serveCommand);
