/** Every test of backends and operations (test/native), run once more on the stand-in. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeStandin, root, runNode } from './standin.ts';

interface Report {
  testResults: {
    name: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

const minutes = 60_000;

describeStandin('the suite of test/native on the MPSGraph stand-in', () => {
  it('passes, with metal among the devices', { timeout: 10 * minutes }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'birbs-suite-'));
    const file = join(folder, 'report.json');
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const args = [vitest, 'run', '--config', 'test/vitest.config.ts', 'test/native'];
    const ended = await runNode(
      [...args, '--reporter=json', `--outputFile=${file}`, '--testTimeout=300000'],
      // As Apple's may be: long encodes in several command buffers, assignments as early as the new value is there.
      { BIRBS_STANDIN_SPLIT: '100', BIRBS_STANDIN_ASSIGN: 'early' },
      10 * minutes,
    );
    const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
    rmSync(folder, { recursive: true });
    const tests = report.testResults.flatMap((result) => result.assertionResults);
    const failed = tests.filter((test) => test.status !== 'passed');
    expect(failed.map((test) => `${test.fullName}: ${test.failureMessages[0]}`)).toEqual([]);
    // An abort leaves a file without results.
    expect(ended).toMatchObject({ code: 0, signal: null });
    expect(tests.length).toBeGreaterThan(600);
    const metal = tests.filter((test) => /\bmetal\b/.test(test.fullName));
    expect(metal.length).toBeGreaterThan(200);
  });
});
