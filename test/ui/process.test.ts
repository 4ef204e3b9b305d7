/** What the live view does to its process: ways out, memory, listeners, handles. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const script = fileURLToPath(new URL('child.ts', import.meta.url));

function child(way: string, signal?: NodeJS.Signals) {
  const one = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', script, way]);
  let stdout = '';
  let stderr = '';
  one.stdout.on('data', (part) => {
    if (signal && !stdout.includes('ready') && String(part).includes('ready')) one.kill(signal);
    stdout += part;
  });
  one.stderr.on('data', (part) => {
    stderr += part;
  });
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    one.on('close', (code) => resolve({ code, stdout, stderr })),
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
    if (code === 1) expect(ended.stderr).toContain('nobody caught this');
    else expect(ended.stderr).toBe('');
  });
});

test('2,000 steps: memory is flat; no listener and no handle is left', async () => {
  const { stdout, code } = await child('steps');
  const { heaps, drawings, before, after } = JSON.parse(stdout);
  expect([code, after]).toEqual([130, before]);
  expect(drawings).toBeGreaterThan(500);
  expect(heaps[1] - heaps[0]).toBeLessThan(400_000);
});
