/** The command that writes a trained network in another format. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { isMain, runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { saveFile } from './base/files.ts';
import { checkAddressSpace } from './base/memory_limit.ts';
import { megabytes, printable } from './base/words.ts';
import { compareExport, type Difference, generatedImages, imagesToCompare } from './export/compare_export.ts';
import { encodeCoreML } from './export/coreml/encode_coreml.ts';
import { encodeMlProgram } from './export/coreml/encode_mlprogram.ts';
import { openCoreML } from './export/coreml/run_coreml.ts';
import { openMlProgram } from './export/coreml/run_mlprogram.ts';
import { exportMetadata, type Origin } from './export/export_metadata.ts';
import type { ExportedModel, RunExported } from './export/exported_model.ts';
import { encodeHtml } from './export/html/encode_html.ts';
import { openHtml } from './export/html/run_html.ts';
import { encodeOnnx } from './export/onnx/encode_onnx.ts';
import { openOnnx } from './export/onnx/run_onnx.ts';
import { plainGraph } from './export/plain_graph.ts';
import { savePackage } from './export/save_package.ts';
import { nodeSnippet, pythonSnippet, swiftSnippet } from './export/snippets.ts';
import { networkShapes } from './model/network_shapes.ts';
import { completeOptions, type ExportOptions, exportOptions, parseExport } from './options.ts';
import { type Classifier, openClassifier } from './predictor/classifier.ts';
import { CARD_FILE } from './report/report_file.ts';
import { readDescription } from './run/run_folder.ts';
import { validationImages } from './run/validation_images.ts';

/** A file that {@link exportModel} has written. */
export interface ExportedFile {
  path: string;
  bytes: number;
  /** How far its answers are from those of the network, on the images that both were asked about. */
  checked: Difference & { images: number; on: 'validation images' | 'generated images' };
  /** What a person should know. */
  remarks: string[];
  /** Programs that use the file, by language. */
  snippets: Record<string, string>;
}

/** A format: its file, how that is read back, and programs that use it. */
interface Format {
  extension: string;
  description: string;
  /** Files by their path, each in pieces; one file has no path. */
  encode(model: ExportedModel): Map<string, Uint8Array[]>;
  open(files: Map<string, Uint8Array>): RunExported;
  snippets(model: ExportedModel, path: string): Record<string, string>;
}

function singleFile(
  encode: (model: ExportedModel) => Uint8Array[],
  open: (bytes: Uint8Array) => RunExported,
): Pick<Format, 'encode' | 'open'> {
  return { encode: (model) => new Map([['', encode(model)]]), open: (files) => open(files.get('')!) };
}

const formats: Record<ExportOptions['format'], Format> = {
  onnx: {
    extension: '.onnx',
    description: 'ONNX, opset 17',
    ...singleFile(encodeOnnx, openOnnx),
    snippets: (model, path) => ({ Python: pythonSnippet(model, path), 'Node.js': nodeSnippet(model, path) }),
  },
  html: {
    extension: '.html',
    description: 'a page that classifies pictures, without a network',
    ...singleFile(encodeHtml, openHtml),
    snippets: () => ({}),
  },
  coreml: {
    extension: '.mlmodel',
    description: 'Core ML neural network, macOS 10.13 and newer',
    ...singleFile(encodeCoreML, openCoreML),
    snippets: (model, path) => ({ Swift: swiftSnippet(model, path) }),
  },
  mlprogram: {
    extension: '.mlpackage',
    description: 'Core ML program, macOS 12 and newer (macOS 13 with float16)',
    encode: encodeMlProgram,
    open: openMlProgram,
    snippets: (model, path) => ({ Swift: swiftSnippet(model, path) }),
  },
};

/**
 * Writes a trained network in another format. The file is read back and has to answer as the network does before it
 * appears; that computes in JavaScript, so the event loop waits for up to a second.
 * @param given options by name; the defaults are those of the command
 * @param signal ends it before anything is written
 * @throws UserError when an option is wrong, there is no model, or the file would answer something else; the signal's
 *   reason when it is aborted
 */
export async function exportModel(
  given: Partial<ExportOptions> = {},
  signal?: AbortSignal,
): Promise<ExportedFile> {
  checkAddressSpace();
  const options = completeOptions(exportOptions, given);
  const { format: name, weights: width, out, ...which } = options;
  const format = formats[name];
  const classifier = await openClassifier({ ...which, device: 'cpu' });
  try {
    const { path: source, network, values, calibration, metadata } = classifier.model;
    const path = out ?? join(dirname(source), `${basename(source, extname(source))}${format.extension}`);
    await checkTarget(path, source, format.extension);
    const origin = await originOf(dirname(source), metadata);
    const model: ExportedModel = {
      network,
      calibration,
      width,
      graph: plainGraph(network, values),
      metadata: exportMetadata(network, calibration, origin),
    };
    const content = format.encode(model);
    const remarks: string[] = [];
    const files = new Map([...content].map(([file, pieces]) => [file, Buffer.concat(pieces)] as const));
    const checked = await check(classifier, model, format.open(files), remarks, signal);
    signal?.throwIfAborted();
    const whole = content.get('');
    await (whole ? saveFile(path, whole) : savePackage(path, content));
    await copyCard(dirname(source), path);
    const bytes = [...files.values()].reduce((sum, { length }) => sum + length, 0);
    if (name === 'html' && bytes > LARGE_PAGE)
      remarks.push(
        `${megabytes(bytes)} is much for a page, which a phone has to load and keep: ${width === 'fp16' ? 'train a smaller network for it' : '--weights fp16 halves it'}.`,
      );
    return { path, bytes, checked, remarks, snippets: format.snippets(model, path) };
  } finally {
    await classifier.dispose();
  }
}

/** Bytes of a page from which on it is slow to open. */
const LARGE_PAGE = 25e6;

/** The card of the run beside what is exported elsewhere, under its name. */
async function copyCard(folder: string, path: string): Promise<void> {
  if (resolve(dirname(path)) === resolve(folder)) return;
  const card = await readFile(join(folder, CARD_FILE)).catch(() => undefined);
  if (card) await saveFile(path.replace(/(\.\w+)?$/, '.card.md'), card);
}

/** A package may take the place of an earlier one, and a file that of a file. */
async function checkTarget(path: string, source: string, extension: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return;
  const isPackage = extension === '.mlpackage';
  const isOwn = isPackage ? found.isDirectory() && extname(path) === extension : found.isFile();
  if (!isOwn)
    throw new UserError(
      `Expected --out to name a ${isPackage ? 'new package (.mlpackage)' : 'file'}, but ${path} is there and is none; choose another name`,
      2,
    );
  if ((await stat(source)).ino === found.ino)
    throw new UserError(`Expected --out to name another file than the weights ${source}`, 2);
}

/** What the weights and the run beside them say, without the folders of this machine. */
async function originOf(folder: string, { dataHash }: Record<string, string>): Promise<Origin> {
  const description = await readDescription(folder);
  const known = typeof description === 'string' ? undefined : description.pretrained;
  if (known === undefined) return { dataHash };
  const { source = '', ...pretrained } = known as NonNullable<Origin['pretrained']>;
  return {
    dataHash,
    pretrained: { ...pretrained, source: source.startsWith('hf:') ? source : basename(source) },
  };
}

/** Milliseconds that the search for validation images may take. */
const PATIENCE = 20_000;

async function check(
  { session, model: { path, network }, batchSize }: Classifier,
  model: ExportedModel,
  run: RunExported,
  remarks: string[],
  signal: AbortSignal | undefined,
): Promise<ExportedFile['checked']> {
  const work = networkShapes(network).multiplyAdds.reduce((a, b) => a + b, 0);
  const most = Math.min(batchSize, imagesToCompare(work));
  let on: ExportedFile['checked']['on'] = 'validation images';
  const patience = AbortSignal.timeout(PATIENCE);
  const limit = signal ? AbortSignal.any([signal, patience]) : patience;
  const search = validationImages(dirname(path), network, most, limit);
  const images = await search.catch((error: Error) => {
    signal?.throwIfAborted();
    on = 'generated images';
    const reason = error.name === 'TimeoutError' ? `took more than ${PATIENCE / 1000} s` : error.message;
    remarks.push(`Checked on generated images, as the validation images are not at hand: ${reason}.`);
    return generatedImages(network.input, most);
  });
  const logits = await session.predict(Buffer.concat(images), images.length);
  return { ...compareExport(model, run, images, logits), images: images.length, on };
}

/** The command: prints what was written and a program that uses it, and answers with the exit code. */
export async function exportCommand(
  words: string[],
  signal: AbortSignal,
  { command = 'npx tsx src/export.ts' } = {},
): Promise<number> {
  const line = parseExport(words, command);
  if ('print' in line) {
    process.stdout.write(`${line.print}\n`);
    return 0;
  }
  const { format, weights, json } = line.values;
  const file = await exportModel(line.values, signal);
  if (json) {
    process.stdout.write(`${JSON.stringify(file)}\n`);
    return 0;
  }
  const { path, bytes, checked, remarks, snippets } = file;
  const logits =
    checked.logits === undefined ? '' : `, logits by ${checked.logits.toPrecision(1)} of the largest`;
  process.stdout.write(
    `${printable(path)}: ${formats[format].description}, ${weights === 'fp16' ? 'float16' : 'float32'} weights, ${megabytes(bytes)}\n` +
      `Read back and compared with the CPU on ${checked.images} ${checked.on}: probabilities differ by at most ${checked.probabilities.toPrecision(1)}${logits}.\n`,
  );
  for (const remark of remarks) process.stdout.write(`${printable(remark)}\n`);
  for (const [language, text] of Object.entries(snippets))
    process.stdout.write(`\n${language}:\n\n${text.replace(/^(?=.)/gm, '    ')}\n`);
  return 0;
}

if (isMain(import.meta.url)) void runCommand(exportCommand);
