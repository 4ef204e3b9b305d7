/** What a person sees of downloads, unpacking and decoding, and what a program gets. */
import { describe, expect, test } from 'vitest';
import { type DatasetProgress, Meter } from '../../src/data/meter.ts';
import { reporter } from '../../src/ui/console.ts';
import { stageBar } from '../../src/ui/stages.ts';

const decoding: DatasetProgress = {
  ...{ source: 'photos', stage: 'decode', done: 1200, total: 2300, bytes: 12.3e6, seconds: 4 },
  ...{ perSecond: 300, bytesPerSecond: 3e6, secondsLeft: 3.7 },
};
const downloading: DatasetProgress = {
  ...{ source: 'hf:someone/a-rather-long-name-of-a-set', stage: 'download', seconds: 61 },
  ...{ bytes: 0.61e9, totalBytes: 1.22e9, bytesPerSecond: 1e7, secondsLeft: 61 },
};

describe('a bar', () => {
  test('name, bar, share, images, megabytes, speed and time left, in 80 columns', () => {
    expect(stageBar(decoding, 79)).toBe(
      'Decoding photos ██████████░░░░░░░░░░  52%  1,200/2,300  12 MB  300/s  4 s left',
    );
    expect(stageBar(downloading, 79)).toBe(
      'Downloading ...name-of-a-set ███░░  50%  610 MB/1.2 GB  10 MB/s  1 min 1 s left',
    );
    expect(stageBar(decoding, 55)).toBe(
      'Decoding photos  52%  1,200/2,300  12 MB  300/s  4 s left'.slice(0, 55),
    );
  });

  test('without an end there is no bar, without numbers only a name', () => {
    expect(stageBar({ source: 'x.zip', stage: 'unpack', seconds: 1, done: 7, bytes: 5e5 }, 79)).toBe(
      'Unpacking x.zip 7  0.5 MB',
    );
    expect(stageBar({ source: 'hf:a/b', stage: 'resolve', seconds: 0 }, 79)).toBe('Looking up hf:a/b');
    expect(stageBar({ source: 'a', stage: 'list', seconds: 0, done: 1, total: 1 }, 30)).toBe(
      'Looking through a 100%  1/1',
    );
  });
});

function print(events: DatasetProgress[], ui: 'plain' | 'json', isTTY: boolean): string[] {
  let text = '';
  const report = reporter(ui, { write: (part) => (text += part), isTTY, columns: 80 }, '');
  for (const event of events) report({ type: 'reading', ...event });
  report({ type: 'end', run: '', results: { best: null, epochs: 0, steps: 0 } as never });
  return text.split('\n').slice(0, ui === 'json' ? -2 : -3);
}

const done = { ...decoding, done: 2300, bytes: 24e6, seconds: 8, secondsLeft: 0 };
const half = { ...downloading, totalBytes: undefined, secondsLeft: undefined };

describe('a run', () => {
  test('leaves a line a stage, no bar where there is no terminal; listing leaves none', () => {
    const listing: DatasetProgress = { source: 'photos', stage: 'list', seconds: 1, done: 1, total: 1 };
    expect(print([listing, decoding, done, done, half], 'plain', false)).toEqual([
      'photos: decoded 2,300 images, 24 MB in 8 s (300 images/s)',
      'hf:someone/a-rather-long-name-of-a-set: downloaded 610 MB in 1 min 1 s (10 MB/s)',
    ]);
    const [line] = print([decoding, done], 'plain', true);
    expect(line!.split('\r\x1b[K').slice(1)).toEqual([
      stageBar(decoding, 79),
      expect.stringMatching(/^photos: decoded/),
    ]);
  });

  test('a note of the source stands on a line of its own', () => {
    const note = { ...downloading, note: 'the hub asks to wait 30 s' };
    expect(print([note, done], 'plain', false)[0]).toBe(`${note.source}: the hub asks to wait 30 s`);
  });

  test('json: the numbers, a line a second and a stage, notes and ends always', () => {
    const note = { ...downloading, note: 'waiting' };
    const lines = print([decoding, decoding, downloading, note, done], 'json', false).map((line) =>
      JSON.parse(line),
    );
    expect(lines).toEqual(
      [decoding, downloading, note, done].map((event) => ({ type: 'reading', ...event })),
    );
  });
});

test('a meter tells speeds from where a stage began, ten times a second, and the end always', async () => {
  const told: DatasetProgress[] = [];
  const meter = new Meter('x', (progress) => told.push(progress));
  const at = (bytes: number) => meter.note({ stage: 'download', bytes, totalBytes: 1000 });
  at(500);
  at(501);
  meter.note({ stage: 'decode', done: 1 });
  expect(told.map(({ stage, bytes }) => [stage, bytes])).toEqual([
    ['download', 500],
    ['decode', undefined],
  ]);
  await new Promise((resolve) => setTimeout(resolve, 600));
  at(750);
  at(751);
  const { seconds, bytesPerSecond, secondsLeft } = told[2]!;
  // What was there before the stage began was not fetched now.
  expect(bytesPerSecond).toBeCloseTo(250 / seconds, 6);
  expect(secondsLeft).toBeCloseTo(seconds, 6);
  meter.end();
  expect(told.at(-1)!.bytes).toBe(751);
  at(1000);
  expect(told.at(-1)!.bytes).toBe(1000);
});
