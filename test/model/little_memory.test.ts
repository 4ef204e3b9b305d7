/** Processes that may have little memory: what can't be had is an error, and nothing ends them. Limits are Linux's. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { memoryProblem } from '../../src/base/memory_limit.ts';
import { birbs } from '../../src/model/presets.ts';

const addonPath =
  process.env.BIRBS_ADDON ?? fileURLToPath(new URL('../../build/Release/birbs.node', import.meta.url));
/** What Node.js takes itself, and some: 24 and newer do not start with 1,100,000 kB. */
const LIMIT = 2_200_000;

/** Runs a script with the addon below the limit, and answers with the errors it prints. */
async function errorsOf(script: string, { kilobytes = LIMIT } = {}): Promise<unknown> {
  const ones = `const ones = (...shape) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)).fill(1) });`;
  const told = `const told = (call) => call.then(() => 'no error', ({ code, message }) => ({ code, message }));`;
  const whole = `
    const addon = require(${JSON.stringify(addonPath)});
    ${ones} ${told}
    (async () => console.log(JSON.stringify(await (async () => { ${script} })())))();`;
  const shell = `ulimit -c 0; ulimit -v ${kilobytes}; exec "$0" -e "$1"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', shell, process.execPath, whole]);
  return JSON.parse(stdout);
}

const memory = { code: 'ENOMEM', message: 'out of memory: try a smaller batch or image size' };
const threads = { code: 'EAGAIN', message: expect.stringMatching(/^no thread could be started: try fewer/) };

describe.runIf(process.platform === 'linux')('below a limit of address space', () => {
  const network = (imageSize: number) =>
    JSON.stringify(birbs({ imageSize, classNames: ['bird', 'not-bird'] }));

  test.each(['cpu', 'portable'])('%s: single operations', async (device) => {
    const one = `ones(1, 1, 1, 1)`;
    const large = `{ kernel: [1, 1], stride: [20000, 20000], inputSize: [20000, 20000] }`;
    const script = `
      const far = await told(addon.runOperation('${device}', 'conv2dInputGradient', [${one}, ${one}], ${large}));
      const next = await told(addon.runOperation('${device}', 'relu', [${one}], {}));
      return [far, next];`;
    expect(await errorsOf(script)).toEqual([memory, 'no error']);
  });

  test.each(['cpu', 'portable'])('%s: sessions', async (device) => {
    const script = `
      const options = { device: '${device}', seed: 1, threads: 2, optimizer: { kind: 'adam' } };
      const opening = addon.createSession({ ...options, network: ${network(64)}, batchSize: 16000 });
      const images = new Uint8Array(16000 * 64 * 64 * 3);
      const large = await told(opening.then((session) => session.trainStep(images, new Int32Array(16000), 0.1)));
      const many = await told(addon.createSession({ ...options, network: ${network(16)}, batchSize: 2, threads: 1024 }));
      const small = await told(addon.createSession({ ...options, network: ${network(16)}, batchSize: 2 }));
      return [large, many, small];`;
    expect(await errorsOf(script)).toEqual([memory, threads, 'no error']);
  });
});

test('errors that say that memory ran out, whoever noticed', () => {
  const coded = (code: string) => Object.assign(new Error('short'), { code });
  expect(memoryProblem(new RangeError('Array buffer allocation failed'))).toMatch(/^Array buffer/);
  expect(memoryProblem(new RangeError('WebAssembly.Instance(): Out of memory: no'))).toBeDefined();
  expect(memoryProblem(coded('ENOMEM'))).toBeDefined();
  expect(memoryProblem(coded('ERR_WORKER_OUT_OF_MEMORY'))).toBeDefined();
  for (const other of [new RangeError('Invalid array length'), coded('ENOENT'), 'out of memory', undefined])
    expect(memoryProblem(other)).toBeUndefined();
});
