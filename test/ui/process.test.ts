/** What the live view does to its process: ways out, memory, listeners, handles. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const script = fileURLToPath(new URL('child.ts', import.meta.url));

function child(way: string, signal?: NodeJS.Signals) {
  // Both outputs in one, in the order in which a terminal gets them.
  const line = 'exec "$0" --expose-gc --import tsx "$1" "$2" 2>&1';
  const one = spawn('sh', ['-c', line, process.execPath, script, way]);
  let stdout = '';
  one.stdout.on('data', (part) => {
    if (signal && !stdout.includes('ready') && String(part).includes('ready')) one.kill(signal);
    stdout += part;
  });
  return new Promise<{ code: number | null; stdout: string }>((resolve) =>
    one.on('close', (code) => resolve({ code, stdout })),
  );
}

const OPEN = '\x1b[?1049h\x1b[?25l';
const BACK = '\x1b[?1049l\x1b[?25h';

describe('the screen is given back, once and before anything else is told', () => {
  test.concurrent.each([
    ['throw', 1, undefined],
    ['reject', 1, undefined],
    ['exit', 3, undefined],
    ['wait', 130, 'SIGTERM'],
    ['wait', 130, 'SIGHUP'],
  ] as const)('%s, code %i, %s', async (way, code, signal) => {
    const ended = await child(way, signal);
    expect([ended.code, ended.stdout.split(OPEN).length, ended.stdout.split(BACK).length]).toEqual([
      code,
      2,
      2,
    ]);
    expect(ended.stdout.indexOf(BACK)).toBeGreaterThan(ended.stdout.indexOf(OPEN));
    const told = ended.stdout.indexOf('nobody caught this');
    if (code === 1) expect(told).toBeGreaterThan(ended.stdout.indexOf(BACK));
    else expect(ended.stdout).not.toContain('Error');
  });
});

test('3,000 steps: memory is flat; no listener and no handle is left', async () => {
  const { stdout, code } = await child('steps');
  const { heaps, drawings, before, after } = JSON.parse(stdout);
  expect([code, after]).toEqual([130, before]);
  expect(drawings).toBeGreaterThan(500);
  // What leaks grows each time; code that is compiled, or what is made once, only at some time.
  const growth = [1, 2, 3].map((i) => heaps[i] - heaps[i - 1]);
  expect(Math.min(...growth)).toBeLessThan(200_000);
});
