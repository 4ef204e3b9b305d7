#!/usr/bin/env node
import { runCommand } from './base/command.ts';
import { UserError } from './base/errors.ts';
import { version } from './base/version.ts';
/** `npx birbs-metal`: the commands by name. */
import { dataCommand } from './data.ts';
import { doctorCommand } from './doctor.ts';
import { predictCommand } from './predict.ts';
import { trainCommand } from './train.ts';

const USAGE = `Trains an image classifier on your own photos: is it a bird?

  birbs-metal train [options]              train; with no options, on a small demo set
  birbs-metal data [PRESET] [options]      fetch and verify images, say what is inside
  birbs-metal data check SOURCE ...        say what is wrong with images
  birbs-metal predict [options] FILE ...   say what is in an image
  birbs-metal doctor [options]             say whether the Apple GPU computes what it should

  birbs-metal train --help (data, predict, doctor --help) tells the options; --version the version.`;

async function main([name, ...words]: string[], signal: AbortSignal): Promise<number> {
  const [train, predict] = ['npx birbs-metal train', 'npx birbs-metal predict'];
  switch (name) {
    case 'train':
      return trainCommand(words, signal, { command: train, predict });
    case 'data':
      return dataCommand(words, signal, { command: 'npx birbs-metal data', train });
    case 'predict':
      return predictCommand(words, signal, { command: predict });
    case 'doctor':
      return doctorCommand(words, signal, { command: 'npx birbs-metal doctor' });
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
    `Expected train, data, predict or doctor, but found ${found}; birbs-metal --help tells more`,
    2,
  );
}

void runCommand(main);
