/** Whatever a device can do to us is a rejected promise with a sentence, and the process lives. */
import { expect, it } from 'vitest';
import { describeStandin, onStandin } from './standin.ts';

/** For each call its error's message, or null. */
type Answers = Record<string, string | null>;

const answers = `
  const said = {};
  const note = async (name, promise) => {
    said[name] = await promise.then(() => null, (error) => error instanceof Error ? error.message : 'no Error');
  };
  const images = new Uint8Array(8 * 16 * 16 * 3).map((_, i) => (i * 37) % 251);
  const labels = Int32Array.from([0, 1, 1, 0, 1, 0, 0, 1]);
  const dense = () => addon.runOperation('metal', 'relu', [{ shape: [2], data: Float32Array.of(-1, 1) }], {});`;

// The session's first command buffer is its first step: nothing is computed before.
const steps = `${answers}
  const session = await addon.createSession(options);
  await Promise.all([1, 2, 3, 4, 5].map((i) => note('step ' + i, session.trainStep(images, labels, 0.01))));
  await note('predict', session.predict(images, 8));
  await note('getParameters', session.getParameters());
  await session.dispose();
  await note('new session', addon.createSession(options).then(async (next) => {
    await next.trainStep(images, labels, 0.01);
    await next.dispose();
  }));
  await note('cpu', addon.createSession({ ...options, device: 'cpu' }).then((next) => next.dispose()));
  return said;`;

const faults = [
  { fault: 'timeout', sentence: 'Metal: the GPU timed out; choose a smaller batch (MTLCommandBufferError 2' },
  {
    fault: 'page-fault',
    sentence: 'Metal: the GPU met a page fault; run again, or with --device cpu (MTLCommandBufferError 3',
  },
  {
    fault: 'internal',
    sentence: 'Metal: the GPU failed; run again, or with --device cpu (MTLCommandBufferError 1',
  },
  {
    fault: 'out-of-memory',
    sentence:
      'Metal: not enough memory for batch size 8, which would fit if other programs held less; close some or choose batch size 4',
  },
  {
    fault: 'device-removed',
    sentence: 'Metal: the GPU was removed; run again, or with --device cpu (MTLCommandBufferError 11',
  },
];

/** Weights after five steps, and what each call said; a step that failed is repeated from the state before it. */
const mended = `${answers}
  const session = await addon.createSession({ ...options, ...JSON.parse(process.env.SESSION ?? '{}') });
  let faults = 0;
  for (let step = 0; step < 5; step++) {
    const before = await Promise.all([session.getParameters(), session.getOptimizerState()]);
    const failed = await session.trainStep(images, labels, 0.01).then(() => null, (error) => error);
    if (!failed) continue;
    faults++;
    await note('code', Promise.reject(new Error(failed.code)));
    await note('fault', Promise.reject(failed));
    await note('refused', session.predict(images, 8));
    await note('restore', session.restore(...before));
    step--;
  }
  said.faults = faults;
  said.weights = require('crypto').createHash('sha256').update(await session.getParameters()).digest('hex');
  return said;`;
const splitEnv = { BIRBS_STANDIN_SPLIT: '40' };

describeStandin('an encode that continues in further command buffers', () => {
  it('is watched in each of them: a fault in the middle fails the step, and a restore mends the session', async () => {
    const clean = await onStandin<Answers>(mended, splitEnv);
    expect(clean).toMatchObject({ faults: 0 });
    const whole = await onStandin<Answers>(mended);
    expect(whole.weights).toBe(clean.weights);
    // The reads before each step are command buffers too.
    for (const fault of ['timeout@6', 'page-fault@15', 'internal@17', 'raise@6']) {
      for (const assign of ['end', 'ordered']) {
        const env = { ...splitEnv, BIRBS_STANDIN_INJECT: fault, BIRBS_STANDIN_ASSIGN: assign };
        const said = await onStandin<Answers>(mended, env);
        expect(said, fault).toMatchObject({ faults: 1, code: 'ERR_DEVICE_FAULT', restore: null });
        expect(said.refused, fault).toBe(said.fault);
        expect(said.weights, fault).toBe(clean.weights);
      }
    }
  });

  it('of which some can not be watched says so', async () => {
    const body = `${answers}
      const session = await addon.createSession(options);
      const { commandBuffers, unwatched } = await session.trainStep(images, labels, 0.01);
      return { commandBuffers, unwatched };`;
    const seen = await onStandin<{ commandBuffers: number }>(body, splitEnv);
    expect(seen).toMatchObject({ unwatched: false });
    expect(seen.commandBuffers).toBeGreaterThan(3);
    const hidden = { ...splitEnv, BIRBS_STANDIN_CONTINUE: 'hidden' };
    expect(await onStandin(body, hidden)).toEqual({ commandBuffers: 2, unwatched: true });
  });
});

describeStandin('weights', () => {
  it.each([
    {},
    { optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true } },
    { precision: 'fp16' },
    { clipNorm: 0.1 },
  ])('are the same whenever MPSGraph assigns: %j', async (session) => {
    const weights = [];
    for (const assign of ['end', 'ordered', 'early']) {
      const env = { BIRBS_STANDIN_ASSIGN: assign, SESSION: JSON.stringify(session) };
      weights.push((await onStandin<Answers>(mended, env)).weights);
    }
    expect(new Set(weights).size).toBe(1);
  });
});

describeStandin('an exception of MPSGraph while a graph is built', () => {
  it('is a sentence, wherever it comes', async () => {
    for (const raise of [1, 20, 150, 300]) {
      const body = `${answers}
        await note('session', addon.createSession(options));
        await note('again', addon.createSession(options).then((session) => session.trainStep(images, labels, 0.01)));
        return said;`;
      const said = await onStandin<Answers>(body, { BIRBS_STANDIN_RAISE: String(raise) });
      const sentence =
        'MPSGraph raised NSInternalInconsistencyException: MPSGraph could not add an operation';
      expect(said).toEqual({ session: sentence, again: null });
    }
    const body = `${answers} await note('operation', dense()); return said;`;
    const said = await onStandin<Answers>(body, { BIRBS_STANDIN_RAISE: '2' });
    expect(said.operation).toMatch(/^MPSGraph raised /);
  });
});

describeStandin('a fault of the device', () => {
  it.each(faults)('at step 3, $fault: its promise and all behind it reject', async ({ fault, sentence }) => {
    // Slow enough that the steps behind are in flight when it fails.
    const env = { BIRBS_STANDIN_INJECT: `${fault}@3`, BIRBS_STANDIN_DELAY: '30' };
    const said = await onStandin<Answers>(steps, env);
    expect(said).toMatchObject({ 'step 1': null, 'step 2': null, cpu: null });
    for (const call of ['step 3', 'step 4', 'step 5', 'predict', 'getParameters']) {
      expect(said[call], call).toContain(sentence);
    }
    if (fault === 'device-removed') expect(said['new session']).toContain(sentence);
    else expect(said['new session']).toBe(null);
  });

  it.each([
    ...faults,
    {
      fault: 'out-of-memory',
      sentence: 'Metal: the GPU ran out of memory; use smaller tensors (MTLCommandBufferError 8',
    },
  ])('in a call that waits, $fault', async ({ fault, sentence }) => {
    const calls = ['predict', 'gradients', 'getParameters', 'setParameters', 'runOperation'];
    const body = `${answers}
      const values = await addon.createSession({ ...options, device: 'cpu' }).then((it) => it.getParameters());
      const session = await addon.createSession(options);
      await note('predict', session.predict(images, 8));
      const next = await addon.createSession(options);
      await note('gradients', next.gradients(images, labels));
      const third = await addon.createSession(options);
      await note('getParameters', third.getParameters());
      const fourth = await addon.createSession(options);
      await note('setParameters', fourth.setParameters(values));
      await note('runOperation', dense());
      return said;`;
    const inject = [1, 2, 3, 4, 5].map((n) => `${fault}@${n}`).join();
    const said = await onStandin<Answers>(body, { BIRBS_STANDIN_INJECT: inject });
    const expected = sentence.includes('tensors') ? ['runOperation'] : calls.slice(0, 4);
    for (const call of expected) expect(said[call], call).toContain(sentence);
    for (const call of calls) expect(said[call], call).toMatch(/^Metal: /);
  });

  const refused = [
    {
      name: 'no device',
      env: { BIRBS_STANDIN_DEVICE: 'none' },
      sentence: 'Metal is unavailable, because this Mac or virtual machine shows no GPU to this process',
    },
    {
      name: 'a device without Metal Performance Shaders',
      env: { BIRBS_STANDIN_DEVICE: 'unsupported' },
      sentence: 'Metal is unavailable, because Metal Performance Shaders does not support the device',
    },
    {
      name: 'macOS 12',
      env: { BIRBS_STANDIN_MACOS: '12.6' },
      sentence: 'Metal is unavailable, because training on it needs macOS 13 or newer and this is macOS 12.6',
    },
    {
      name: 'no queue',
      env: { BIRBS_STANDIN_QUEUE: '0' },
      sentence:
        'Metal: the device gave no command queue; close other programs that use the GPU, or run with --device cpu',
    },
    {
      name: 'a compile that answers nil',
      env: { BIRBS_STANDIN_COMPILE: '0' },
      sentence:
        'MPSGraph could not compile the graph; please report this, and run with --device cpu meanwhile',
    },
  ];
  it.each(refused)('before a step: $name', async ({ env, sentence }) => {
    const body = `${answers}
      await note('session', addon.createSession(options));
      await note('operation', dense());
      await note('cpu', addon.createSession({ ...options, device: 'cpu' }).then((session) => session.dispose()));
      return said;`;
    const said = await onStandin<Answers>(body, env);
    expect(said.session).toContain(sentence);
    expect(said.operation).toContain(sentence);
    expect(said.cpu).toBe(null);
  });

  it('a buffer that answers nil: the batch that would fit', async () => {
    const body = `${answers}
      for (const batchSize of [2, 64, 4096, 65535]) {
        await note(batchSize, addon.createSession({ ...options, batchSize }).then((session) => session.dispose()));
      }
      return said;`;
    const env = { BIRBS_STANDIN_WORKING_SET: '8000000', BIRBS_STANDIN_BUFFER_LIMIT: '8000000' };
    const said = await onStandin<Answers>(body, env);
    expect(said['2']).toBe(null);
    const batch = Number(
      /^Metal: not enough memory for batch size 4096; (\d+) would fit$/.exec(said['4096']!)?.[1],
    );
    expect(batch).toBeGreaterThan(2);
    expect(said['65535']).toContain(`; ${batch} would fit`);
    // It does.
    const fits = `${answers}
      await note('step', addon.createSession({ ...options, batchSize: ${batch} }).then(async (session) => {
        await session.trainStep(new Uint8Array(${batch} * 16 * 16 * 3), new Int32Array(${batch}), 0.01);
      }));
      return said;`;
    expect(await onStandin<Answers>(fits, { ...env, BIRBS_STANDIN_HEAP_LIMIT: '8000000' })).toEqual({
      step: null,
    });
  });

  it('a buffer that answers nil under a single operation', async () => {
    const body = `${answers} await note('operation', dense()); return said;`;
    const said = await onStandin<Answers>(body, { BIRBS_STANDIN_BUFFER_LIMIT: '1' });
    expect(said.operation).toBe('Metal: not enough memory for the operation; use smaller tensors');
  });
});
