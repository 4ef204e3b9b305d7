import { describe, expect, test, vi } from 'vitest';
import { UserError } from '../src/base/errors.ts';
import { checkCommand } from '../src/check.ts';
import { recipes } from '../src/data/recipes.ts';
import { dataCommand } from '../src/data.ts';
import { doctorCommand } from '../src/doctor.ts';
import {
  completeOptions,
  completeTrain,
  parseData,
  parsePredict,
  parseTrain,
  trainOptions,
} from '../src/options.ts';
import { predictCommand } from '../src/predict.ts';
import { trainCommand } from '../src/train.ts';

const train = (...words: string[]) => {
  const line = parseTrain(words, 'npm start --');
  if ('print' in line) throw new Error('printed');
  return line.values;
};

describe('the command line', () => {
  test('nothing given: every option has its default', () => {
    expect(train()).toEqual(completeOptions(trainOptions, {}));
    expect(train()).toMatchObject({
      network: 'auto',
      imageSize: undefined,
      ema: undefined,
      balance: 'undersample',
      seed: 1,
      data: [],
    });
  });

  test('values, repeats, negation, the equals sign', () => {
    const values = train(
      '--val',
      'a?label=bird',
      '--val=b',
      '--no-augment',
      '--epochs=3',
      '--learning-rate',
      '1e-2',
    );
    expect(values).toMatchObject({
      val: ['a?label=bird', 'b'],
      augment: false,
      epochs: 3,
      learningRate: 0.01,
    });
    expect(train('--no-augment', '--augment').augment).toBe(true);
    expect(train('--epochs', '3', '--epochs', '4').epochs).toBe(4);
  });

  const wrong: [words: string[], message: string][] = [
    [['--epoch', '3'], 'Unknown option --epoch: did you mean --epochs?'],
    [['--lr', '1'], 'Unknown option --lr: --help lists them all'],
    [['--no-epochs'], 'Unknown option --no-epochs: did you mean --epochs?'],
    [['--constructor', 'x'], 'Unknown option --constructor: --help lists them all'],
    [['-e', '3'], 'Unknown option -e: --help lists them all'],
    [['--epochs'], '--epochs needs a value: --epochs N'],
    [['--epochs', '--seed', '1'], '--epochs needs a value: --epochs N'],
    [['--epochs', '0'], '--epochs: expected a whole number from 1 to 100000, but found 0'],
    [['--epochs', '2.5'], '--epochs: expected a whole number from 1 to 100000, but found 2.5'],
    [['--epochs', 'many'], '--epochs: expected a whole number from 1 to 100000, but found "many"'],
    [['--epochs', ''], '--epochs: expected a whole number from 1 to 100000, but found ""'],
    [['--learning-rate', '-1'], '--learning-rate: expected a number from 1e-9 to 100, but found -1'],
    [['--val-fraction', 'NaN'], '--val-fraction: expected a number from 0.01 to 0.9, but found "NaN"'],
    [
      ['--seed', '9007199254740993'],
      '--seed: expected a whole number from 0 to 9007199254740991, but found 9007199254740992',
    ],
    [
      ['--time', '9999999h'],
      '--time: expected a time of at most 30 days, such as 8h, 90m, 45s or 1h30m, but found "416,667 days"',
    ],
    [['--warmup', '2000000'], '--warmup: expected a whole number from 0 to 1000000, but found 2000000'],
    [
      ['--checkpoint-minutes', '1e4'],
      '--checkpoint-minutes: expected a number from 0.01 to 1440, but found 10000',
    ],
    [['--device', 'gpu'], '--device: expected one of auto, metal, cpu, portable, but found "gpu"'],
    [['--data', ''], '--data: expected one or more non-empty strings, but found [""]'],
    [['--augment=yes'], '--augment takes no value, but found "yes"'],
    [['photos'], 'Expected only options, but found "photos"; if these are your images, say --data photos'],
  ];
  test.each(wrong)('%j is refused', (words, message) => {
    const refused = { message, exitCode: 2 };
    expect(() => train(...words)).toThrow(expect.objectContaining(refused));
    expect(() => train(...words)).toThrow(UserError);
  });

  test('predict wants files', () => {
    expect(parsePredict(['a.jpg', '--json', 'b'], 'x')).toMatchObject({
      files: ['a.jpg', 'b'],
      values: { json: true },
    });
    expect(parsePredict(['--', '--odd-name.jpg'], 'x')).toMatchObject({ files: ['--odd-name.jpg'] });
    expect(() => parsePredict([], 'npx it')).toThrow(
      'Expected an image or a folder of images; for example: npx it photo.jpg',
    );
  });
});

describe('presets', () => {
  test('fill in what is not given; an option beside them wins', () => {
    const cifar = train('--preset', 'cifar10-birds');
    expect(cifar).toMatchObject({
      imageSize: 32,
      data: recipes['cifar10-birds'].options.data,
      valFraction: 0.2,
    });
    expect(train('--preset=cifar10-birds', '--image-size', '48', '--val', 'mine')).toMatchObject({
      imageSize: 48,
      data: cifar.data,
      val: ['mine'],
    });
    expect(completeTrain({ preset: 'birbs', birds: ['mine'], notBirds: [] })).toMatchObject({
      birds: ['mine'],
      notBirds: recipes.birbs.options.notBirds,
    });
    // What the command line came to is complete: nothing more is filled in.
    expect(completeTrain(cifar)).toEqual(cifar);
    const message =
      '--preset: expected one of demo, quick, cifar10-birds, cub, nabirds, birbs, but found "best"';
    expect(() => train('--preset', 'best')).toThrow(expect.objectContaining({ message, exitCode: 2 }));
  });

  test('data takes one by name, or sources, or nothing', () => {
    const data = (...words: string[]) => parseData(words, 'npx it');
    expect(data('quick', '--image-size', '96')).toMatchObject({
      preset: 'quick',
      values: { imageSize: 96, data: recipes.quick.options.data, lock: undefined },
    });
    expect(data('--data', 'photos')).toMatchObject({ preset: undefined, values: { data: ['photos'] } });
    expect(data()).toMatchObject({ values: { data: [], birds: [] } });
    const message =
      'Expected one of demo, quick, cifar10-birds, cub, nabirds, birbs, but found "photos"; for images of your own: npx it --data photos';
    expect(() => data('photos')).toThrow(expect.objectContaining({ message, exitCode: 2 }));
    expect(() => data('quick', 'demo')).toThrow('but found "quick demo"');
  });
});

describe('help', () => {
  const text = parseTrain(['--help'], 'npm start --');
  const lines = 'print' in text ? text.print.split('\n') : [];

  test('names every option and fits a screen of 110 columns', () => {
    for (const name of Object.keys(trainOptions)) {
      const flag = name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
      expect(
        lines.some((line) => line.includes(`--${flag} `) || line.includes(`--no-${flag} `)),
        flag,
      ).toBe(true);
    }
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(110);
    expect(lines.length).toBeLessThan(86);
  });

  test('each command prints it as it is written', async () => {
    const commands = { checkCommand, dataCommand, doctorCommand, predictCommand, trainCommand };
    for (const [name, command] of Object.entries(commands)) {
      const written: string[] = [];
      const write = vi
        .spyOn(process.stdout, 'write')
        .mockImplementation((text) => written.push(String(text)) > 0);
      expect(await command(['--help'], new AbortController().signal)).toBe(0);
      write.mockRestore();
      const help = written.join('');
      expect(help, name).not.toContain('\ufffd');
      expect(help.split('\n').length, name).toBeGreaterThan(8);
      expect(help, name).toContain('\nOptions\n  --');
    }
  });

  test('wins over what is wrong after it, and -h is enough', () => {
    expect(parseTrain(['-h', '--nonsense'], 'x')).toHaveProperty('print');
    expect(parseTrain(['--version'], 'x')).toEqual({ print: expect.stringMatching(/^\d+\.\d+\.\d+/) });
  });
});

describe('options of a program', () => {
  test('unknown and wrong ones are refused by name', () => {
    expect(() => completeOptions(trainOptions, { epoch: 3 } as never)).toThrow(
      'Unknown option epoch: did you mean epochs?',
    );
    expect(() => completeOptions(trainOptions, { imageSize: '64' } as never)).toThrow(
      '--image-size: expected a whole number from 8 to 1024, but found "64"',
    );
    expect(() => completeOptions(trainOptions, { augment: 'no' } as never)).toThrow(
      '--augment: expected true or false',
    );
  });

  test('undefined is not given', () => {
    expect(completeOptions(trainOptions, { seed: undefined as never }).seed).toBe(1);
  });
});
