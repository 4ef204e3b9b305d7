import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const child = fileURLToPath(new URL('freed_child.ts', import.meta.url));

test('memory that its owner resizes, transfers or lets go of during a call is neither read nor written', async () => {
  const words = ['--expose-gc', '--import', 'tsx', child];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  const calls = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { way: string; name: string; same: boolean; answer?: string });
  expect(new Set(calls.map(({ way }) => way)).size).toBe('transfer' in ArrayBuffer.prototype ? 6 : 5);
  const other = calls.filter(({ same }) => !same);
  // What is to be filled and is no longer there can only be refused.
  expect(new Set(other.map(({ name }) => name))).toEqual(new Set(['assemble, output']));
  for (const { answer } of other)
    expect(answer).toContain('Expected a Uint8Array of 6144 elements for output but received');
});
