/** The check of a GPU before a run: what is wrong there is found before the first real step, and nothing dies of it. */
import { expect, it } from 'vitest';
import { describeStandin, runNode } from './standin.ts';

const groups = { depthwise: 'groups', routes: ['groups'] };
const cases: Record<string, [env: NodeJS.ProcessEnv, verdict: unknown]> = {
  right: [{}, { why: '', ...groups, right: [true] }],
  half: [{}, { why: '', ...groups, right: [true] }],
  'right in many command buffers': [
    { BIRBS_STANDIN_SPLIT: '30', BIRBS_STANDIN_ASSIGN: 'early' },
    { why: '', ...groups, right: [true] },
  ],
  'wrong gradients': [
    inject('gradient@1'),
    wrong(/^the gradient of conv\d.weight is off by 0.0\d+ of its size, where /),
  ],
  'wrong convolutions': [inject('wrong@1'), wrong(/ is off by /)],
  'a lost assignment': [
    inject('lost@1'),
    wrong(/^what the step did to .* is off by 1.0 of its size, where 0.1 may be/),
  ],
  NaN: [inject('nan@4'), wrong(/ is no number$/)],
  'an abort': [inject('abort@5'), wrong(/^its process ended with SIGABRT: MPSGraph stand-in: an assertion/)],
  'a hang': [{ ...inject('hang@3'), BIRBS_PREFLIGHT_SECONDS: '3' }, wrong(/^no answer within 3 s/)],
  // It may not come again, so the next run asks again.
  'a fault': [inject('internal@6'), 'not kept: '],
  grouped: [
    {},
    { why: '', depthwise: expect.any(String), routes: ['groups', 'operations'], right: [true, true] },
  ],
  'grouped, of which one route is right': [
    { BIRBS_STANDIN_GROUPS: '0' },
    { why: '', depthwise: 'operations', routes: ['groups', 'operations'], right: [false, true] },
  ],
};

function inject(fault: string): NodeJS.ProcessEnv {
  return { BIRBS_STANDIN_INJECT: fault };
}

function wrong(why: RegExp) {
  return { why: expect.stringMatching(why), ...groups, right: [false] };
}

describeStandin('the check before a run on metal', () => {
  it('finds what is wrong, and keeps its verdict', { timeout: 300_000 }, async () => {
    const given = Object.fromEntries(Object.entries(cases).map(([name, [env]]) => [name, env]));
    const words = ['--import', 'tsx', 'test/mpsgraph/preflight_cases.ts', JSON.stringify(given)];
    const { stdout, stderr } = await runNode(words, {}, 280_000);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(
      Object.fromEntries(Object.entries(cases).map(([name, [, verdict]]) => [name, verdict])),
    );
  });
});
