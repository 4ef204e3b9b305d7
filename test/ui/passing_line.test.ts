import { afterEach, expect, test, vi } from 'vitest';
import { PassingLine } from '../../src/ui/passing_line.ts';

afterEach(() => {
  vi.useRealTimers();
});

function line(isTTY: boolean) {
  const written: string[] = [];
  return { written, line: new PassingLine({ write: (text) => written.push(text), isTTY, columns: 20 }) };
}

test('shown at once, again each second, in one line of the terminal; gone when cleared', () => {
  vi.useFakeTimers();
  const { written, line: passing } = line(true);
  let n = 0;
  passing.show(() => `\x1b[31m${n++} of very many checks`);
  vi.advanceTimersByTime(2500);
  const told = written.map((text) => text.replace('\r\x1b[K', '|'));
  expect(told).toEqual([
    '|\ufffd[31m0 of very many',
    '|\ufffd[31m1 of very many',
    '|\ufffd[31m2 of very many',
  ]);
  passing.clear();
  expect(written.at(-1)).toBe('\r\x1b[K');
  vi.advanceTimersByTime(5000);
  expect(written).toHaveLength(4);
});

test('nothing where there is no terminal', () => {
  const { written, line: passing } = line(false);
  passing.show(() => 'text');
  passing.clear();
  expect(written).toEqual([]);
});
