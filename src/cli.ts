#!/usr/bin/env node
/** `npx birbs-metal`: the commands by name, each loaded when it is asked for: where memory is short, loading fails. */
import module from 'node:module';
import { runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { version } from './base/version.ts';
import { setUpAddon } from './setup/build_addon.mjs';
import { SetupError } from './setup/shell.mjs';

// Node.js 22 and later keep what they have compiled of the commands; 20 has no such function.
(module as { enableCompileCache?: () => unknown }).enableCompileCache?.();

const USAGE = `Trains an image classifier on your own photos: is it a bird?

  birbs-metal train [options]              train; with no options, on a small demo set
  birbs-metal data [PRESET] [options]      fetch and verify images, say what is inside
  birbs-metal data check SOURCE ...        say what is wrong with images
  birbs-metal predict [options] FILE ...   say what is in an image
  birbs-metal export [RUN] [options]       write a model as ONNX, Core ML or a page
  birbs-metal serve [RUN] [options]        show a model as a page, and answer over HTTP
  birbs-metal review [RUN] [options]       show the images in doubt, and put their labels right
  birbs-metal compare RUN RUN ...          compare runs
  birbs-metal doctor [options]             say whether the Apple GPU computes what it should
  birbs-metal setup [--force]              build the native addon if the install could not

  birbs-metal COMMAND --help lists its options, --version prints the version.`;

async function main([name, ...words]: string[], signal: AbortSignal): Promise<number> {
  const help = words.some((word) => word === '--help' || word === '-h')
    ? await helpOf(name, words)
    : undefined;
  if (help !== undefined) {
    process.stdout.write(`${help}\n`);
    return 0;
  }
  const [train, predict] = ['npx birbs-metal train', 'npx birbs-metal predict'];
  switch (name) {
    case 'train':
      return (await import('./train.ts')).trainCommand(words, signal, { command: train, predict });
    case 'data':
      return (await import('./data.ts')).dataCommand(words, signal, {
        command: 'npx birbs-metal data',
        train,
      });
    case 'predict':
      return (await import('./predict.ts')).predictCommand(words, signal, { command: predict });
    case 'export':
      return (await import('./export.ts')).exportCommand(words, signal, {
        command: 'npx birbs-metal export',
      });
    case 'serve':
      return (await import('./serve.ts')).serveCommand(words, signal, {
        command: 'npx birbs-metal serve',
        train,
      });
    case 'review':
      return (await import('./review.ts')).reviewCommand(words, signal, {
        command: 'npx birbs-metal review',
        train,
      });
    case 'compare':
      return (await import('./compare.ts')).compareCommand(words, signal, {
        command: 'npx birbs-metal compare',
      });
    case 'doctor':
      return (await import('./doctor.ts')).doctorCommand(words, signal, {
        command: 'npx birbs-metal doctor',
      });
    case 'setup':
      return setup(words);
    case '--version':
      process.stdout.write(`${version()}\n`);
      return 0;
    case '--help':
    case '-h':
      process.stdout.write(`${USAGE}\n`);
      return 0;
  }
  const found = name === undefined ? 'nothing' : `"${name}"`;
  throw new UserError(
    `Expected train, data, predict, export, serve, review, compare, doctor or setup, but found ${found}; see birbs-metal --help`,
    2,
  );
}

/** What a command says of itself, by the options alone: to load the command takes three times as long. */
async function helpOf(name: string | undefined, words: string[]): Promise<string | undefined> {
  const options = await import('./options.ts');
  const isCheck = name === 'data' && words[0] === 'check';
  const command = `npx birbs-metal ${name}${isCheck ? ' check' : ''}`;
  const parsers = {
    train: options.parseTrain,
    data: isCheck ? options.parseCheck : options.parseData,
    predict: options.parsePredict,
    export: options.parseExport,
    serve: options.parseServe,
    review: options.parseReview,
    compare: options.parseCompare,
    doctor: options.parseDoctor,
  };
  if (name === undefined || !Object.hasOwn(parsers, name)) return undefined;
  const line = parsers[name as keyof typeof parsers](isCheck ? words.slice(1) : words, command);
  return 'print' in line ? line.print : undefined;
}

/** What npm's install script does, and installs what a build needs where that is possible. */
async function setup(words: string[]): Promise<number> {
  const unknown = words.find((word) => word !== '--force');
  if (unknown !== undefined)
    throw new UserError(`Expected setup or setup --force, but found "${unknown}"`, 2);
  try {
    setUpAddon(words.includes('--force'));
  } catch (error) {
    if (error instanceof SetupError) throw new UserError(error.message);
    throw error;
  }
  (await import('./model/addon.ts')).loadAddon();
  process.stdout.write('The native addon is in place.\n');
  return 0;
}

void runCommand(main);
