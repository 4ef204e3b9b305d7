/** The doctor on the stand-in: no mismatch where all is well, and each fault found. */
import { describe, expect, test } from 'vitest';
import { type CheckResult, examine } from '../src/model/doctor_checks.ts';
import { run } from './images.ts';
import { describeStandin, runNode } from './mpsgraph/standin.ts';

const doctor = (words: string[], env: NodeJS.ProcessEnv = {}) =>
  runNode(['--import', 'tsx', 'src/doctor.ts', '--standin', '--no-bench', ...words], env);

describeStandin('birbs doctor on the stand-in', () => {
  test('finds no mismatch, and tells each check', async () => {
    const { code, stdout, stderr } = await doctor(['--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { ok, device, checks } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(device).toMatchObject({
      name: 'metal',
      gpu: {
        ...{ name: 'Apple M2', family: 'Apple 8', system: 'macOS 15.0' },
        ...{ unifiedMemory: true, virtual: false, workingSetBytes: 12 * 2 ** 30 },
      },
    });
    const names = (checks as CheckResult[]).map(({ name }) => name);
    for (const gradient of GRADIENTS)
      expect(names).toContainEqual(expect.stringMatching(`^${gradient}(:|$)`));
    for (const rule of ['sgd', 'adam', 'adamw', 'fp16'])
      expect(names).toContain(`ten training steps: ${rule}`);
    for (const probe of device.probes) expect(names).toContain(`open point: ${probe}`);
    expect(names.filter((name) => name.startsWith('open point: ')).length).toBe(device.probes.length + 3);
    for (const measured of ['optimization-levels', 'layout-timing', 'dropout-scaling', 'empty-targets'])
      expect(device.probes).toContain(measured);
    expect(names.at(-1)).not.toBe('benchmark');
  });

  test('a convolution that is wrong by a hundredth is a mismatch, named, with exit code 1', async () => {
    const { code, stdout } = await doctor([], { BIRBS_STANDIN_INJECT: 'wrong@1' });
    expect(code).toBe(1);
    expect(stdout).toMatch(/\| conv2d: stride 2 x 1, uneven padding +\| WRONG +\| +8\.8e-3 \| +1\.0e-4 \|/);
    expect(stdout).toMatch(/\| ten training steps: adam +\| WRONG /);
    expect(stdout).toMatch(/\| open point: weight-gradient-layout +\| WRONG /);
    expect(stdout).toMatch(/\| dense +\| ok /);
    expect(stdout).toMatch(/\n\d+ of \d+ checks failed/);
  });

  test('NaN is a mismatch too', async () => {
    const { code, stdout } = await doctor([], { BIRBS_STANDIN_INJECT: 'nan@1' });
    expect(code).toBe(1);
    expect(stdout).toMatch(/\| conv2d: stride 2 x 1, uneven padding +\| WRONG +\| +Infinity .*found NaN/);
  });

  test('a virtual GPU that fails its control is only warned of', async () => {
    const env = { BIRBS_STANDIN_DEVICE: 'paravirtual', BIRBS_STANDIN_INJECT: 'nan@1,nan@2' };
    const { code, stdout } = await doctor([], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\| control: a product of 2 x 2 matrices +\| warn +\| +Infinity .*a virtual GPU/);
    expect(stdout).toMatch(/\| conv2d: stride 2 x 1.* warn .*this virtual GPU fails its control as well/);
    expect(stdout).toMatch(/\nNo mismatch in \d+ checks but \d+ warnings, /);
    // Where the control is right, what is wrong is wrong.
    const wrong = await doctor([], { ...env, BIRBS_STANDIN_INJECT: 'wrong@1' });
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(/\| control: a product of 2 x 2 matrices +\| ok /);
  });

  test('a device that is there but cannot be used: exit code 2 and a sentence', async () => {
    const { code, stdout, stderr } = await doctor([], { BIRBS_STANDIN_DEVICE: 'none' });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Error: --device metal can't be used here: Metal is unavailable, because .*\n$/);
  });
});

const GRADIENTS = [
  ...[
    'conv2dInputGradient',
    'conv2dWeightGradient',
    'maxPool2dGradient',
    'avgPool2dGradient',
    'reluGradient',
  ],
  ...['globalAvgPool2dGradient', 'denseInputGradient', 'denseWeightGradient', 'crossEntropyGradient'],
  ...['batchNorm2dGradient', 'dropoutGradient'],
];

describe('birbs doctor', () => {
  test('examines the device it is told to', async () => {
    const { code, stdout } = await run('doctor.ts', ['--device', 'cpu', '--no-bench']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^birbs doctor: cpu \(.+\)\n/);
    expect(stdout).toMatch(/\| ten training steps: fp16 +\| ok .*fp32 only: /);
    expect(stdout).toMatch(/\nNo mismatch in \d+ checks, /);
  });

  test('a question that ends its process is a failed line, and so is an answer not relied on', async () => {
    const device = { name: 'portable', available: true, description: '' } as const;
    const ask = async (probe: string) => {
      if (probe === 'fatal') throw new Error('its process ended with SIGABRT');
      return { text: 'otherwise', asReliedOn: false };
    };
    const failed: CheckResult[] = [];
    const [begun, done]: [string[], string[]] = [[], []];
    for await (const result of examine({
      device: { ...device, probes: ['fatal', 'other'] },
      bench: false,
      ask,
      onStart: (name) => begun.push(name),
    })) {
      done.push(result.name);
      // Each is announced before it ends.
      expect(begun).toEqual(done);
      if (!result.ok) failed.push(result);
    }
    expect(failed.map(({ name, detail }) => `${name}: ${detail}`)).toEqual([
      'open point: fatal: its process ended with SIGABRT',
      'open point: other: otherwise',
    ]);
    expect(await run('doctor.ts', ['--ask', 'portable', 'fatal'])).toMatchObject({ code: 1, stdout: '' });
  });

  test('options', async () => {
    expect((await run('cli.ts', ['doctor', '--help'])).stdout).toContain('npx birbs-metal doctor [options]');
    expect(await run('doctor.ts', ['--bench=1'])).toMatchObject({ code: 2 });
    expect(await run('doctor.ts', ['photo.jpg'])).toMatchObject({
      code: 2,
      stderr:
        'Error: Expected only options, but found "photo.jpg"; npx tsx src/doctor.ts --help lists them\n',
    });
  });

  if (process.platform === 'linux' && !process.env.BIRBS_ADDON) {
    test.each(['doctor.ts', 'train.ts'])('%s says in a sentence why metal is not there', async (script) => {
      expect(await run(script, ['--device', 'metal'])).toEqual({
        ...{ code: 2, signal: null, stdout: '' },
        stderr:
          "Error: --device metal can't be used here: this build is for Linux, and Metal needs macOS 13 or newer on Apple silicon; use the device cpu\n",
      });
    });
  }
});
