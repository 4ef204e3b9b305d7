/** Every option once: type, default, check, line of help. */
import { parseArgs } from 'node:util';
import { severities } from './alerts/alert.ts';
import { shapes } from './alerts/channels.ts';
import { UserError } from './base/errors.ts';
import { textList } from './base/text_list.ts';
import { version } from './base/version.ts';
import { count } from './base/words.ts';
import { type RecipeName, type RecipeOptions, recipeNames, recipes } from './data/recipes.ts';
import { type NetworkName, networks } from './model/presets.ts';
import { optimizers } from './model/training_defaults.ts';
import { schedules } from './training/schedule.ts';
import { selectionMetrics } from './training/stopping.ts';

/** One option: how its value is read from the command line and checked, and its line of help. */
interface Option<T> {
  /** The default; undefined if there is none or the command determines it. */
  initial: T;
  /** Returns the value or throws UserError that begins with what was expected. */
  check(value: unknown): T;
  /** From the words of the command line. */
  read(words: string[]): unknown;
  takes?: string;
  help: string;
}

type Table = Record<string, Option<unknown>>;
/** The values of a table of options, all there. */
export type Values<T extends Table> = { [K in keyof T]: T[K] extends Option<infer V> ? V : never };

/** Options of `train`, and of the command of that name. A program gives `time` in seconds. */
export type TrainOptions = Values<typeof trainOptions>;
/** Options of `predict`, and of the command of that name. */
export type PredictOptions = Values<typeof predictOptions>;
/** Options of `exportModel`, and of the command `export`. */
export type ExportOptions = Values<typeof exportOptions>;
export type DataOptions = Values<typeof dataOptions>;
type Ui = 'tui' | 'plain' | 'json' | 'none';

const devices = ['auto', 'metal', 'cpu', 'portable'] as const;

export const trainOptions = {
  preset: preset('a ready-made data set with its options; `data` lists them'),
  data: list('SOURCE', 'labelled images; may be repeated'),
  birds: list('SOURCE', 'images that are all of birds'),
  notBirds: list('SOURCE', 'images without birds'),
  val: list('SOURCE', 'labelled images to validate on, instead of holding out a share'),
  valFraction: number(0.2, [0.01, 0.9], 'share of the images held out for validation'),
  balance: choice(
    ['undersample', 'oversample', 'weights', 'none'],
    'undersample',
    'how to balance classes of unequal size',
  ),
  hierarchy: text('FILE', 'groups of the classes: CSV class,genus,family or lines of child and parent'),
  imageSize: integer(undefined, [8, 1024], 'side in pixels of every image; default that of the network'),
  fit: choice(['cover', 'contain', 'fill'], 'cover', 'crop to a square, pad to it, or stretch'),
  augment: flag(true, 'flip, shift, brighten and darken the training images'),
  cutout: number(
    undefined,
    [0, 1],
    'side of a grey square in training images, of 1; default 0, birbs-res 0.25',
  ),
  network: choice(
    ['auto', ...(Object.keys(networks) as (keyof typeof networks)[])],
    'auto',
    'auto starts from pretrained lite0 where it can be had',
  ),
  pretrained: text('FILE', 'pretrained weights (.safetensors); default from the hub'),
  init: text('RUN|FILE', 'start from what an earlier run learned, also for other classes'),
  mirror: flag(false, 'let the head of a pretrained network learn from mirrored images too'),
  fineTune: integer(undefined, [1, 10_000], 'epochs of fine-tuning after the head of a pretrained network'),
  epochs: integer(
    undefined,
    [1, 100_000],
    'passes over the training images; default 20, no limit with --time',
  ),
  time: duration('time limit of the run, such as 8h or 90m; a last validation follows'),
  batchSize: integer(undefined, [1, 65_535], 'images per step; default 32, less for a small set'),
  optimizer: optional(choice(optimizers, 'adamw', 'optimizer; default adamw, sgd for birbs-res')),
  learningRate: number(
    undefined,
    [1e-9, 100],
    'peak learning rate; default 0.001, 0.01 for sgd, 0.03 for birbs-res',
  ),
  findLr: flag(false, 'run a learning rate finder first and use its suggestion'),
  schedule: choice(schedules, 'cosine', 'learning rate schedule after the warmup'),
  warmup: integer(undefined, [0, 1e6], 'warmup steps; default one epoch, at most a tenth of the run'),
  momentum: number(0.9, [0, 0.999], 'Nesterov momentum of sgd'),
  weightDecay: number(
    undefined,
    [0, 1],
    'weight decay; default 0.01 for adamw, 0.0005 for birbs-res, else 0',
  ),
  labelSmoothing: number(
    undefined,
    [0, 0.9],
    'label smoothing: share spread over all classes; default 0, birbs-res 0.1',
  ),
  clipNorm: number(
    undefined,
    [0, 1e6],
    'clip gradients to this norm; 0: off; default 1 in fine-tuning, else 0',
  ),
  ema: number(
    undefined,
    [0, 0.99999],
    'decay per step of a moving average of weights; default 0, birbs-res 0.999',
  ),
  metric: choice(
    selectionMetrics,
    'balancedAccuracy',
    'metric that picks the best epoch and drives --patience',
  ),
  patience: integer(0, [0, 100_000], 'stop after this many epochs without improvement; 0: never'),
  minChange: number(0, [0, 100], 'smallest improvement of --metric that counts'),
  rollbacks: integer(10, [0, 1000], 'rollbacks after loss jumps before the run fails; 0: none'),
  seed: integer(1, [0, Number.MAX_SAFE_INTEGER], 'random seed; same seed, device and threads: same run'),
  device: choice(devices, 'auto', 'where to train; auto takes the Apple GPU if it can'),
  precision: choice(['fp32', 'fp16'], 'fp32', 'arithmetic of the Apple GPU; fp16 keeps fp32 weights'),
  canary: integer(
    undefined,
    [0, 1e6],
    'check the GPU against the CPU every N steps; default once an epoch; 0: off',
  ),
  threads: integer(undefined, [1, 1024], 'CPU threads; default all cores'),
  processes: integer(undefined, [1, 1024], 'train with N processes that share each batch; needs MPI'),
  hosts: text('A,B', 'machines for the processes, reached by ssh; default one process on each'),
  syncBn: flag(true, 'batch norm over the images of all processes, not of each by itself'),
  run: text('DIR', 'folder for the results, new or empty; default runs/<date and time>'),
  resume: text('DIR', 'resume the run in this folder where it stopped'),
  force: flag(false, 'resume even if data or options have changed'),
  checkpointMinutes: number(5, [0.01, 1440], 'minutes between checkpoints within an epoch'),
  page: choice(shapes, 'auto', 'message format of the webhook in $BIRBS_WEBHOOK'),
  pageFrom: choice(severities, 'info', 'lowest severity that sends an alert'),
  pageCommand: text('COMMAND', 'command to run for each alert, which it reads as JSON'),
  cache: text('DIR', 'cache folder; default .cache/birbs-metal in your home folder'),
  cacheLimit: number(20, [0.01, 1e5], 'size limit of the cache in GB; a larger set is streamed in parts'),
  lock: text('FILE', 'lock file that pins every image by checksum; default birbs.lock.json'),
  updateLock: flag(false, 'accept changed, new and missing files'),
  verify: flag(false, 'check every file by its content, not only by size and time'),
  ui: optional(
    choice<Ui>(
      ['tui', 'plain', 'json', 'none'],
      'plain',
      'live view (default in a terminal), lines, JSON events, nothing',
    ),
  ),
};

/** Of `data`: those of `train` that say which images, and where they are kept. */
export const dataOptions = {
  ...pick(trainOptions, ['data', 'birds', 'notBirds', 'val', 'imageSize', 'fit', 'cache', 'cacheLimit']),
  ...pick(trainOptions, ['lock', 'updateLock', 'verify']),
  json: flag(false, 'print one JSON object, with every image that was skipped or left out'),
};

/** Of `data check`. */
export const checkOptions = {
  ...pick(trainOptions, ['data', 'birds', 'notBirds', 'val', 'imageSize', 'fit', 'cache', 'cacheLimit']),
  html: text('FILE', 'write a page with the images of each finding and of each class'),
  json: flag(false, 'print one JSON object'),
};

export const predictOptions = {
  model: text('FILE', 'weights (.safetensors) or run folder; default the newest in runs/'),
  network: optional(
    choice(Object.keys(networks) as NetworkName[], 'birbs', 'of weights that another program wrote'),
  ),
  classes: list('NAME', 'of those weights, in their order: one --classes for each'),
  imageSize: integer(undefined, [8, 1024], 'of those weights; default what fits them'),
  device: choice(devices, 'auto', 'where to run; auto takes the Apple GPU if it can'),
  threads: integer(undefined, [1, 1024], 'CPU threads; default all cores'),
  top: integer(undefined, [1, 10_000], 'likeliest classes to show; default 5'),
  json: flag(false, 'print one JSON object per line'),
  unsure: flag(false, 'answer "unsure" where the model would too often be wrong'),
  why: text('FILE.png', 'write the image: what speaks for the answer red, against it blue'),
  calibration: flag(true, 'use the temperature and threshold fitted on the validation images'),
};

/** Of `export`: those of `predict` that say which model, and what to write. */
export const exportOptions = {
  format: choice(['onnx', 'coreml', 'mlprogram', 'html'], 'onnx', 'what to write'),
  weights: choice(['fp32', 'fp16'], 'fp32', 'width of the stored weights; fp16 halves the file'),
  out: text('FILE', 'where to write it; default beside the weights'),
  ...pick(predictOptions, ['model', 'network', 'classes', 'imageSize', 'calibration']),
  json: flag(false, 'print one JSON object'),
};

/** Of `serve`. */
export const serveOptions = {
  port: integer(8321, [0, 65_535], 'port to listen on; 0: any that is free'),
  host: address(
    '127.0.0.1',
    'address to listen on; any but this machine alone needs the token that is printed',
  ),
  token: word('TEXT', 'token that requests must show; default made up where one is needed'),
  corrections: text('DIR', 'folder for corrections, a folder of images for each class; default corrections'),
  correct: flag(true, 'save corrections that are made on the page'),
  ...pick(predictOptions, ['network', 'classes', 'imageSize', 'device', 'threads', 'unsure', 'calibration']),
};

/** Of `review`. */
export const reviewOptions = pick(serveOptions, [
  'port',
  'host',
  'token',
  'corrections',
  'device',
  'threads',
]);

/** Of `compare`. */
export const compareOptions = {
  html: text('FILE', 'write a page with curves and the images on which they disagree'),
  images: flag(true, 'ask all runs about the validation images of the first'),
  ...pick(predictOptions, ['device', 'threads']),
  json: flag(false, 'print one JSON object'),
};

/** Of the command `predict` alone. */
export const sortOptions = {
  sortInto: text('DIR', 'copy each file into a folder of its label in DIR'),
  link: flag(false, 'with --sort-into: symbolic links instead of copies'),
  undoSort: text('DIR', 'remove again what --sort-into has put there'),
};

export const doctorOptions = {
  device: choice(['metal', 'cpu', 'portable'] as const, 'metal', 'device to check'),
  bench: flag(true, 'measure training speed at the end'),
  json: flag(false, 'print one JSON object instead of the table'),
  standin: flag(false, 'examine the MPSGraph stand-in of the tests (Linux)'),
};

/** What a command line came to: values to run with, or a text to print and be done. */
export type CommandLine<T extends Table> =
  | {
      values: Values<T>;
      /** Those that stand there; the others have their defaults. */
      given: Partial<Values<T>>;
      files: string[];
    }
  | { print: string };

const SOURCES = `A SOURCE is one of
  a folder             of one folder a class (photos/bird, photos/not-bird), subfolders included
  file.parquet         or a glob in quotes: 'data/train-*.parquet'; any layout of Hugging Face image sets
  file.zip, .tar.gz    an archive of such a folder
  list.csv, .tsv       with a column path, a column label and, if you like, a column split
  hf:OWNER/NAME        a set of huggingface.co, with @REVISION and :GLOB if need be: hf:a/b@main:x/*.parquet
  nabirds:PATH         the archive of NABirds, or its folder
  kaggle:OWNER/NAME    a set of kaggle.com
  demo                 7,300 small drawings that come with the package: no download, good for a first try
and may end in ?label=NAME (that label is the class, all others its opposite), ?limit=N (at most so many
images, spread over all) or ?split=train|test|NAME (its own split), joined by &: 'x.zip?label=bird&limit=9'.
For --birds and --not-birds all images of a SOURCE are alike. With none: data/birds if it is there, else demo.`;

export const trainUsage = (command: string) => `Trains an image classifier: is it a bird?

  ${command} [options]
  ${command} --data photos --epochs 10      your own folders
  ${command} --birds robins --not-birds cats

${SOURCES}

Options
${helpLines(trainOptions)}

Ends with 0 when done, 1 when it failed, 2 for a wrong option, 130 after Ctrl-C: what was learnt is saved.`;

export const dataUsage = (
  command: string,
) => `Fetches and verifies images, decodes them for training, and says what is inside.

  ${command}                          the presets
  ${command} PRESET [options]         one of them
  ${command} --data photos [options]  images of your own
  ${command} check SOURCE ...         look for what is wrong with images

${SOURCES}

Options
${helpLines(dataOptions)}

Ends with 0 when all is there, 1 when it is not or has changed, 2 for a wrong option, 130 after Ctrl-C:
what came whole is kept.`;

export const checkUsage = (
  command: string,
) => `Looks for what is wrong or odd with images: unreadable, cut off, mislabelled, blank, tiny or turned ones, copies and near
copies, pictures under two classes or on both sides of a split.

  ${command} SOURCE ... [options]
  ${command} photos --html photos.html
  ${command} --data photos --val later-photos

${SOURCES}

Options
${helpLines(checkOptions)}

Ends with 0 when every source could be examined, whatever was found; 1 when one can't be used, 2 for a wrong option.`;

export const predictUsage = (command: string) => `Says what is in an image: bird or not, with its probability.

  ${command} [options] FILE|FOLDER ...
  ${command} photo.jpg
  ${command} --model runs/demo --json holiday/
  ${command} - < photo.jpg              - is the standard input
  ${command} --model torch.safetensors --network birbs photo.jpg
  ${command} --sort-into sorted --unsure holiday/

Options
${helpLines({ ...predictOptions, ...sortOptions })}

A model that was trained here carries what its validation taught about its own scores: a temperature that makes a
probability of 90% right nine times of ten, of two classes the threshold of the best balanced accuracy (so the answer
may be the one below 50%), and the certainty from which on 95% of its answers were right; --unsure answers "unsure"
below that. Chosen on the validation images, all three do a little worse on others.

Ends with 0 when every image was read, 1 when one was not, 2 for a wrong option.`;

export const exportUsage = (
  command: string,
) => `Writes a trained network in another format, for use without birbs-metal.

  ${command} [RUN|FILE] [options]
  ${command} runs/garden --format onnx
  ${command} runs/garden --weights fp16 --out garden.onnx
  ${command} runs/garden --format html

Options
${helpLines(exportOptions)}

onnx: one file for onnxruntime and whatever else reads opset 17. Pixels in (uint8, RGB), probabilities out: what lies
between is in the file.
coreml: a neural network classifier for Core ML (.mlmodel), macOS 10.13, iOS 11 and newer.
mlprogram: a program for Core ML (.mlpackage), macOS 12, iOS 15 and newer, with float16 weights macOS 13 and iOS 16.
html: one page that classifies pictures in any browser, from a disk or a web server, without sending them anywhere.
Every file is read back and has to answer as the network does before it appears.

Ends with 0 when the file is written, 1 when it could not be, 2 for a wrong option.`;

export const serveUsage = (
  command: string,
) => `Shows a trained model as a page on this computer, and answers POST /predict.

  ${command} [RUN|FILE] [options]     a run folder or weights file; default the newest in runs/
  ${command} runs/garden
  curl --data-binary @photo.jpg http://127.0.0.1:8321/predict
  curl -F a=@photo.jpg -F b=@other.jpg http://127.0.0.1:8321/predict

Options
${helpLines(serveOptions)}

POST /predict takes the bytes of an image, or a form (multipart/form-data) with several, and answers with what
predict --json prints: an object, of several images an array. GET /health says that it is up. A request has at most 25 MB and
64 images. With another --host, requests must say "Authorization: Bearer TOKEN".

On the page one key puts a wrong or unsure answer right and saves the picture in the folder of its class, U takes it
back; the next training learns from them with --data corrections. Ctrl-C finishes what has begun.

Ends with 0 after Ctrl-C, 1 when it failed, 2 for a wrong option.`;

export const reviewUsage = (
  command: string,
) => `Shows images of a run on a page, the most doubtful first, to put their labels right with one key.

  ${command} [RUN] [options]     a run folder; default the newest in runs/

First the validation images that were answered wrong, the surest first; then images whose labels other images
contradict, or that it answers wrong though it has learnt them; then those of which it is unsure. The images are
read from the sources of the run. What is put right is saved in the folder of its class; the next training learns
from it with --data corrections, and these labels hold against those of the other sources.

Options
${helpLines(reviewOptions)}

Ends with 0 after Ctrl-C, 1 when it failed, 2 for a wrong option.`;

export const compareUsage = (
  command: string,
) => `Compares runs: their figures, their options, and what they say of the same images.

  ${command} RUN RUN ... [options]
  ${command} runs/a runs/b --html compare.html

Options
${helpLines(compareOptions)}

Ends with 0 when they were compared, 1 when one can't be read, 2 for a wrong option.`;

export const doctorUsage = (
  command: string,
) => `Says whether a device computes what plain C++ on the CPU computes.

  ${command} [options]

Options
${helpLines(doctorOptions)}

Ends with 0 when all is well, 1 when a number is wrong, 2 when the device is not there.`;

/** Reads `train` options; files have no place there. */
export function parseTrain(words: string[], command: string): CommandLine<typeof trainOptions> {
  const line = parse(trainOptions, words, trainUsage(command), completeTrain);
  if ('values' in line && line.files.length > 0) {
    throw new UserError(
      `Expected only options, but found "${line.files[0]}"; if these are your images, say --data ${line.files[0]}`,
      2,
    );
  }
  return line;
}

/**
 * Completes `train` options given by a program; a preset supplies missing ones.
 * @throws UserError with exit code 2
 */
export function completeTrain(given: Partial<TrainOptions>): TrainOptions {
  return completeOptions(trainOptions, { ...presetOptions(given.preset), ...onlyGiven(given) });
}

/** Reads `data` options: a preset, or sources of one's own, or neither. */
export function parseData(
  words: string[],
  command: string,
): { print: string } | { preset?: RecipeName; values: DataOptions } {
  let preset: RecipeName | undefined;
  const line = parse(dataOptions, words, dataUsage(command), (given, files) => {
    preset = presetOf(files, command);
    return completeOptions(dataOptions, { ...presetOptions(preset), ...onlyGiven(given) });
  });
  return 'print' in line ? line : { preset, values: line.values };
}

/** Reads `data check` options and the sources to examine. */
export function parseCheck(words: string[], command: string): CommandLine<typeof checkOptions> {
  const line = parse(checkOptions, words, checkUsage(command));
  if ('print' in line || line.files.length > 0) return line;
  const { data, birds, notBirds } = line.values;
  if (data.length + birds.length + notBirds.length > 0) return line;
  throw new UserError(`Expected sources to examine; for example: ${command} photos`, 2);
}

function presetOf([name, ...more]: string[], command: string): RecipeName | undefined {
  const known = recipeNames.find((one) => one === name);
  if (name === undefined || (known && more.length === 0)) return known;
  const found = more.length > 0 ? [name, ...more].join(' ') : name;
  throw new UserError(
    `Expected one of ${recipeNames.join(', ')}, but found "${found}"; for images of your own: ${command} --data ${name}`,
    2,
  );
}

function presetOptions(name: RecipeName | undefined): RecipeOptions {
  return name !== undefined && Object.hasOwn(recipes, name) ? recipes[name].options : {};
}

/** Undefined is not given, and no source at all neither. */
function onlyGiven<T extends object>(given: T): T {
  checkObject(given);
  const isGiven = ([, value]: [string, unknown]) =>
    value !== undefined && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(given).filter(isGiven)) as T;
}

/** Reads `predict` options and the files they are about. */
export function parsePredict(
  words: string[],
  command: string,
): CommandLine<typeof predictOptions & typeof sortOptions> {
  const line = parse({ ...predictOptions, ...sortOptions }, words, predictUsage(command));
  if ('print' in line) return line;
  const { sortInto, link, undoSort } = line.values;
  if (undoSort !== undefined && line.files.length + Object.keys(line.given).length > 1)
    throw new UserError('Expected --undo-sort DIR alone, but found more; leave the rest out', 2);
  if (link && sortInto === undefined)
    throw new UserError('Expected --sort-into DIR beside --link, but found none; add it', 2);
  if (line.files.length === 0 && undoSort === undefined)
    throw new UserError(`Expected an image or a folder of images; for example: ${command} photo.jpg`, 2);
  return line;
}

/** Reads `export` options; the model may be named without `--model`. */
export function parseExport(words: string[], command: string): CommandLine<typeof exportOptions> {
  return parse(exportOptions, words, exportUsage(command), (given, files) => {
    const [model = given.model, ...more] = files;
    if (more.length > 0 || (files.length > 0 && given.model !== undefined))
      throw new UserError(
        `Expected one model, but found ${[...files, given.model ?? []].flat().join(' and ')}; export them one by one`,
        2,
      );
    return completeOptions(exportOptions, { ...given, model });
  });
}

/** Reads `serve` options and the model, if one is named. */
export function parseServe(words: string[], command: string): CommandLine<typeof serveOptions> {
  const line = parse(serveOptions, words, serveUsage(command));
  if ('values' in line && line.files.length > 1)
    throw new UserError(`Expected one model, but found ${line.files.length}: ${line.files.join(', ')}`, 2);
  return line;
}

/** Reads `review` options and the run, if one is named. */
export function parseReview(words: string[], command: string): CommandLine<typeof reviewOptions> {
  const line = parse(reviewOptions, words, reviewUsage(command));
  if ('values' in line && line.files.length > 1)
    throw new UserError(`Expected one run, but found ${line.files.length}: ${line.files.join(', ')}`, 2);
  return line;
}

/** Reads `compare` options and the runs. */
export function parseCompare(words: string[], command: string): CommandLine<typeof compareOptions> {
  const line = parse(compareOptions, words, compareUsage(command));
  if ('values' in line && line.files.length < 2)
    throw new UserError(
      `Expected at least two run folders, but found ${line.files.length}; for example: ${command} runs/a runs/b`,
      2,
    );
  return line;
}

/** Reads `doctor` options; files have no place there. */
export function parseDoctor(words: string[], command: string): CommandLine<typeof doctorOptions> {
  const line = parse(doctorOptions, words, doctorUsage(command));
  if ('values' in line && line.files.length > 0)
    throw new UserError(
      `Expected only options, but found "${line.files[0]}"; ${command} --help lists them`,
      2,
    );
  return line;
}

/**
 * Options as a program gives them: unknown names and wrong values refused, defaults filled in.
 * @throws UserError with exit code 2
 */
export function completeOptions<T extends Table>(table: T, given: Partial<Values<T>>): Values<T> {
  checkObject(given);
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(table, name));
  if (unknown) throw unknownOption(unknown, Object.keys(table));
  const values = Object.entries(table).map(([name, option]) => {
    const value = given[name];
    return [name, value === undefined ? option.initial : checked(name, option, value)];
  });
  return Object.fromEntries(values);
}

function parse<T extends Table>(
  table: T,
  words: string[],
  usage: string,
  complete = (given: Partial<Values<T>>, _files: string[]) => completeOptions(table, given),
): CommandLine<T> {
  const flags = new Map(Object.keys(table).map((name) => [kebab(name), name]));
  const { tokens } = parseArgs({
    args: words,
    options: Object.fromEntries(
      [...flags].map(([flag, name]) => [flag, { type: table[name]!.takes ? 'string' : 'boolean' } as const]),
    ),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const files: string[] = [];
  const found = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') files.push(token.value);
    if (token.kind !== 'option') continue;
    if (token.rawName === '--help' || token.rawName === '-h') return { print: usage };
    if (token.rawName === '--version') return { print: version() };
    const [name, word] = readToken(table, flags, token);
    found.set(name, [...(found.get(name) ?? []), word]);
  }
  const given = Object.fromEntries([...found].map(([name, values]) => [name, table[name]!.read(values)]));
  const values = complete(given as Partial<Values<T>>, files);
  const names = Object.keys(given) as (keyof Values<T>)[];
  return {
    values,
    given: Object.fromEntries(names.map((name) => [name, values[name]])) as Partial<Values<T>>,
    files,
  };
}

interface OptionToken {
  rawName: string;
  name: string;
  value?: string | undefined;
  inlineValue?: boolean | undefined;
}

function readToken(table: Table, flags: Map<string, string>, token: OptionToken): [string, string] {
  const { rawName, value, inlineValue } = token;
  const negated = flags.get(rawName.replace(/^--no-/, ''));
  if (!flags.has(token.name) && rawName.startsWith('--no-') && negated && !table[negated]!.takes)
    return [negated, 'false'];
  const name = rawName.startsWith('--') ? flags.get(token.name) : undefined;
  if (!name) throw unknownOption(rawName, [...flags.keys(), 'help', 'version']);
  const { takes } = table[name]!;
  if (!takes) {
    if (value !== undefined) throw new UserError(`--${token.name} takes no value, but found "${value}"`, 2);
    return [name, 'true'];
  }
  if (value === undefined || (!inlineValue && value.startsWith('--')))
    throw new UserError(`--${token.name} needs a value: --${token.name} ${takes}`, 2);
  return [name, value];
}

function unknownOption(given: string, known: string[]): UserError {
  const bare = given.replace(/^-+/, '');
  const [nearest] = known
    .map((name) => ({ name, steps: distance(bare, name) }))
    .sort((a, b) => a.steps - b.steps);
  const dashes = given.startsWith('-') ? '--' : '';
  const close = nearest && nearest.steps < bare.length && nearest.steps <= Math.max(2, bare.length / 3);
  const hint = close ? `did you mean ${dashes}${nearest.name}?` : '--help lists them all';
  return new UserError(`Unknown option ${given}: ${hint}`, 2);
}

/** Single-letter changes between two words (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

function checkObject(given: unknown): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new UserError(
      `Expected options by name, as in { data: ['photos'] }, but found ${JSON.stringify(given)}`,
      2,
    );
}

function checked<T>(name: string, option: Option<T>, value: unknown): T {
  try {
    return option.check(value);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`--${kebab(name)}: ${error.message}`, 2) : error;
  }
}

function refuse(expected: string, found: unknown): never {
  throw new UserError(`expected ${expected}, but found ${JSON.stringify(found)}`, 2);
}

function last(words: string[]): string {
  return words.at(-1)!;
}

function toNumber(words: string[]): unknown {
  const word = last(words).trim();
  return word === '' || Number.isNaN(Number(word)) ? last(words) : Number(word);
}

function list(takes: string, help: string): Option<string[]> {
  return { initial: [], check: (value) => textList(value), read: (words) => words, takes, help };
}

function text(takes: string, help: string): Option<string | undefined> {
  const check = (value: unknown) =>
    typeof value === 'string' && value !== '' ? value : refuse('a path', value);
  return { initial: undefined, check, read: last, takes, help };
}

/** What a program shows to another: no spaces, so that it can stand in a header. */
function word(takes: string, help: string): Option<string | undefined> {
  const check = (value: unknown) =>
    typeof value === 'string' && /^[!-~]{8,200}$/.test(value)
      ? value
      : refuse('8 to 200 letters, digits and signs without spaces', value);
  return { initial: undefined, check, read: last, takes, help };
}

function address(initial: string, help: string): Option<string> {
  const check = (value: unknown) =>
    typeof value === 'string' && /^[\w.:-]{1,253}$/.test(value)
      ? value
      : refuse('an address or a name', value);
  return { initial, check, read: last, takes: 'ADDRESS', help };
}

/** In seconds; on the command line with a unit. */
function duration(help: string): Option<number | undefined> {
  const check = (value: unknown) =>
    typeof value === 'number' && value > 0 && value <= LONGEST
      ? value
      : refuse(
          'a time of at most 30 days, such as 8h, 90m, 45s or 1h30m',
          typeof value === 'number' ? words(value) : value,
        );
  return { initial: undefined, check, read: toSeconds, takes: 'TIME', help };
}

/** Thirty days, in seconds. */
const LONGEST = 30 * 24 * 3600;

function words(seconds: number): string {
  return seconds > LONGEST ? `${count(seconds / 86_400)} days` : `${seconds} s`;
}

function toSeconds(words: string[]): unknown {
  const word = last(words).trim();
  const found = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(word);
  if (!found || word === '') return last(words);
  const [hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  return hours! * 3600 + minutes! * 60 + seconds!;
}

function flag(initial: boolean, help: string): Option<boolean> {
  const check = (value: unknown) => (typeof value === 'boolean' ? value : refuse('true or false', value));
  return { initial, check, read: (words) => last(words) === 'true', help };
}

function number<T extends number | undefined>(
  initial: T,
  [least, most]: [number, number],
  help: string,
): Option<T extends number ? number : number | undefined> {
  const check = (value: unknown) =>
    typeof value === 'number' && value >= least && value <= most
      ? value
      : refuse(`a number from ${least} to ${most}`, value);
  return { initial: initial as never, check, read: toNumber, takes: 'NUMBER', help };
}

function integer<T extends number | undefined>(
  initial: T,
  [least, most]: [number, number],
  help: string,
): Option<T extends number ? number : number | undefined> {
  const check = (value: unknown) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? (value as number)
      : refuse(`a whole number from ${least} to ${most}`, value);
  return { initial: initial as never, check, read: toNumber, takes: 'N', help };
}

function choice<T extends string>(choices: readonly T[], initial: T, help: string): Option<T> {
  const check = (value: unknown) =>
    choices.includes(value as T) ? (value as T) : refuse(`one of ${choices.join(', ')}`, value);
  return { initial, check, read: last, takes: choices.join('|'), help };
}

function preset(help: string): Option<RecipeName | undefined> {
  return optional(choice(recipeNames, 'demo', help));
}

/** The same if the command determines the default. */
function optional<T>(option: Option<T>): Option<T | undefined> {
  return { ...option, initial: undefined };
}

function pick<T extends Table, K extends keyof T>(table: T, names: K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, table[name]])) as Pick<T, K>;
}

/** For a reference: name, value, default and meaning of each option. */
export function describeOptions(table: Table): string[][] {
  return Object.entries(table).map(([name, { initial, check, takes, help }]) => {
    const usual = initial === undefined || Array.isArray(initial) ? '' : JSON.stringify(initial);
    return [`\`${name}\``, expectedBy(check) ?? takes ?? '', usual, help];
  });
}

/** What the check of an option says that it expects. */
function expectedBy(check: Option<unknown>['check']): string | undefined {
  try {
    check(Symbol());
  } catch (error) {
    return /^expected (.*), but found/.exec((error as Error).message)?.[1];
  }
  return undefined;
}

function helpLines(table: Table): string {
  const rows = Object.entries(table).map(([name, { initial, takes, help }]) => {
    const usual = Array.isArray(initial) || initial === undefined || initial === false ? '' : ` (${initial})`;
    return initial === true
      ? [`--no-${kebab(name)}`, `do not ${help}`]
      : [`--${kebab(name)}${takes ? ` ${takes}` : ''}`, help + usual];
  });
  rows.push(['--help, --version', 'this text; the version']);
  const width = Math.min(32, Math.max(...rows.map(([left]) => left!.length)));
  return rows
    .map(([left, right]) =>
      left!.length > width
        ? `  ${left}\n  ${' '.repeat(width)}  ${right}`
        : `  ${left!.padEnd(width)}  ${right}`,
    )
    .join('\n');
}

/** `imageSize` as `image-size`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
