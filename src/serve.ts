/** The command that shows a model as a page and answers over HTTP. */
import { randomBytes } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { isMain, runCommand } from './base/command.ts';
import { count, printable, quote } from './base/words.ts';
import { CORRECTIONS_FILE } from './data/corrections_mark.ts';
import { ClassFolders } from './filing/class_folders.ts';
import { parseServe } from './options.ts';
import { openPredictor } from './predictor/predictor.ts';
import { correctionRoutes } from './server/correction_routes.ts';
import { startServer } from './server/image_server.ts';
import { predictRoutes } from './server/predict_routes.ts';
import { isLoopback } from './server/request_guard.ts';
import { pageRoute, servePage } from './server/serve_page.ts';

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
  const { port, host, token: given, corrections = 'corrections', correct, ...options } = line.values;
  const token = given ?? (isLoopback(host) ? undefined : randomBytes(18).toString('base64url'));
  const folders = correct ? await ClassFolders.open(corrections, CORRECTIONS_FILE) : undefined;
  const before = folders?.count ?? 0;
  const predictor = await openPredictor({ ...options, model: line.files[0] });
  const { classNames, path, device } = predictor;
  const model = nameOf(path);
  let answered = 0;
  try {
    const server = await startServer({
      ...{ host, port, token, onFault: (error) => console.error(error) },
      routes: {
        'GET /': pageRoute(servePage({ model, classNames, saves: correct })),
        ...predictRoutes(predictor, {
          about: () => ({
            ...{ model, classNames, device },
            corrections: folders ? { folder: corrections, count: folders.count } : null,
          }),
          onAnswers: (images) => {
            answered += images;
          },
        }),
        ...(folders ? correctionRoutes(folders, classNames) : {}),
      },
    });
    const address = `http://${host.includes(':') ? `[${host}]` : host}:${server.port}/`;
    const lines = [
      `${printable(path)} (${classNames.length} classes) on ${device}`,
      `Open ${address}${token === undefined ? '' : `#token=${token}`}`,
      ...(token === undefined
        ? []
        : [`Other programs send "Authorization: Bearer ${token}" with POST ${address}predict`]),
      'Ctrl-C ends it.',
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
    await untilAborted(signal);
    await server.close();
  } finally {
    await predictor.dispose();
  }
  const saved = (folders?.count ?? 0) - before;
  process.stdout.write(`Answered ${count(answered)} images, saved ${count(saved)} corrections.\n`);
  if (saved > 0)
    process.stdout.write(`Learn from them: ${train} --data YOUR-IMAGES --data ${quote(corrections)}\n`);
  return 0;
}

/** A run by its folder, other weights by their file. */
function nameOf(path: string): string {
  return /^(best|last)\.safetensors$/.test(basename(path)) ? basename(dirname(path)) : basename(path);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

if (isMain(import.meta.url)) void runCommand(serveCommand);
