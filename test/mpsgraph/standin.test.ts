import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { describeStandin, needStandin, root } from './standin.ts';

interface Case {
  name: string;
  expect: string;
}

const folder = dirname(fileURLToPath(import.meta.url));
// `npm test` builds it first, by `node src/setup.mjs --standin`.
const selftest =
  process.env.BIRBS_STANDIN_SELFTEST ?? join(root, 'build/standin/test/mpsgraph/standin_selftest');

describeStandin('the MPSGraph stand-in', () => {
  needStandin(selftest);
  const cases = JSON.parse(execFileSync(selftest, ['list'], { encoding: 'utf8' }));
  const run = (name: string, env: NodeJS.ProcessEnv = {}) =>
    spawnSync(selftest, [name], { encoding: 'utf8', timeout: 30_000, env: { ...process.env, ...env } });

  describe('the MPSGraph stand-in aborts on', () => {
    it.each([...cases.strict, ...cases.refusals] as Case[])('$name', ({ name, expect: sentence }) => {
      const { signal, stderr } = run(name);
      const [first] = stderr.split('\n');
      expect(first).toMatch(/^MPSGraph stand-in: .+ \(.+\)$/);
      expect(first).toContain(sentence);
      expect(signal).toBe('SIGABRT');
    });
  });

  describe.each([
    ['numbers', cases.numbers as Case[]],
    ['behaviour', cases.behaviour as Case[]],
  ])('the MPSGraph stand-in: %s', (_, list) => {
    it.each(list)('$name', ({ name }) => {
      const { status, signal, stderr } = run(name);
      expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    });
  });

  it('takes settings and faults from the environment', () => {
    expect(run('poison until done', { BIRBS_STANDIN_DEVICE: 'none' }).status).not.toBe(0);
    expect(run('poison until done', { BIRBS_STANDIN_INJECT: 'timeout@1' }).stderr).toBe('3 * 1 + 1\n');
    expect(run('poison until done', { BIRBS_STANDIN_INJECT: 'timeout@2' }).status).toBe(0);
    const file = join(mkdtempSync(join(tmpdir(), 'birbs-standin-')), 'counters.json');
    expect(run('counters', { BIRBS_STANDIN_COUNTERS: file }).status).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      commits: 2,
      hostWaits: 1,
      maxInFlight: 2,
      failed: 0,
    });
  });

  it('declares each selector on a line of its own, once', () => {
    const headers = join(folder, 'include');
    const grep = spawnSync('grep', ['-rhE', '^[-+] ?\\(', headers], { encoding: 'utf8' });
    const lines = grep.stdout.trim().split('\n');
    expect(lines.length).toBeGreaterThan(150);
    expect(lines.filter((line) => !/;(\s*\/\/ macOS \d+\.\d+)?$/.test(line))).toEqual([]);
  });
});
