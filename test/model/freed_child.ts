/**
 * Run by freed.test.ts in a process of its own with --expose-gc: every call of the addon that reads or writes memory of
 * its caller, with that memory freed as soon as the call was made. Prints a line of JSON for each.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { type Augmentation, loadAddon, type NativeSession } from '../../src/model/addon.ts';
import { birbs } from '../../src/model/presets.ts';
import { temporaryFolder } from '../images.ts';

type View = Uint8Array | Uint32Array | Int32Array | Float32Array;
type Values = ArrayLike<number> & Iterable<number>;
/** What takes memory away from its owner, and memory that it can be taken from. */
interface Way {
  make(bytes: number): ArrayBufferLike;
  free(buffer: never): void;
  /** Views that follow the length of their buffer. */
  tracking?: boolean;
}
/** Of Node 21 and newer, which the types of Node 20 do not know. */
type Transferable = ArrayBuffer & { transfer(): ArrayBuffer };
type Resizable = ArrayBuffer & { resize(bytes: number): void };
const Buffers = ArrayBuffer as unknown as new (
  bytes: number,
  options?: { maxByteLength: number },
) => ArrayBuffer;
const Shared = SharedArrayBuffer as unknown as new (
  bytes: number,
  options?: { maxByteLength: number },
) => SharedArrayBuffer;

const plain = (bytes: number) => new ArrayBuffer(bytes);
const resizable = (bytes: number) => new Buffers(bytes, { maxByteLength: bytes * 2 });
const resize = (buffer: Resizable) => buffer.resize(0);
const ways: Record<string, Way> = {
  'resize(0)': { make: resizable, free: resize },
  'resize(0) under a length-tracking view': { make: resizable, free: resize, tracking: true },
  'structuredClone with transfer': {
    make: plain,
    free: (buffer: ArrayBuffer) => void structuredClone(buffer, { transfer: [buffer] }),
  },
  'a message to a port that is closed': {
    make: plain,
    free: (buffer: ArrayBuffer) => {
      const { port1, port2 } = new MessageChannel();
      port1.postMessage(buffer, [buffer]);
      port1.close();
      port2.close();
    },
  },
  'growable shared memory, let go of': {
    make: (bytes) => new Shared(bytes, { maxByteLength: bytes * 2 }),
    free: () => {},
    tracking: true,
  },
};
if ('transfer' in ArrayBuffer.prototype)
  ways['transfer()'] = { make: plain, free: (buffer: Transferable) => void buffer.transfer() };

const side = 16;
const count = 8;
const imageBytes = side * side * 3;
const addon = loadAddon();
const network = birbs({ imageSize: side, classNames: ['bird', 'not-bird'] });
const openSession = () =>
  addon.createSession({
    ...{ device: 'portable', network, seed: 1, batchSize: count, threads: 1 },
    optimizer: { kind: 'sgd', momentum: 0.9 },
  });
const augmentation: Augmentation = {
  ...{ seed: 1, step: 0, flip: 0.5, shift: 2 },
  ...{ brightnessProbability: 1, brightness: 0.3, contrastProbability: 1, contrast: 0.3 },
};

/** Each call: the arrays it is given and what to make of them; its answer as numbers. */
interface Call {
  name: string;
  given: [new (buffer: never, offset?: number, length?: number) => View, Values][];
  call(...given: never[]): Promise<unknown>;
}

function callsOf(session: NativeSession, pixels: Awaited<ReturnType<typeof addon.openPixels>>): Call[] {
  const images = Uint8Array.from({ length: count * imageBytes }, (_, i) => (i * 37) % 251);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  const size = session.parameters.reduce((sum, parameter) => sum + parameter.size, 0);
  const weights = Float32Array.from({ length: size }, (_, i) => Math.sin(i) / 50);
  const numbers = Float32Array.from({ length: 200_000 }, (_, i) => i - 100_000);
  return [
    {
      name: 'runOperation',
      given: [
        [Float32Array, numbers],
        [Float32Array, numbers],
      ],
      call: (dy: Float32Array, x: Float32Array) =>
        addon.runOperation(
          'portable',
          'reluGradient',
          [
            { shape: [200_000], data: dy },
            { shape: [200_000], data: x },
          ],
          {},
        ),
    },
    {
      name: 'trainStep',
      given: [
        [Uint8Array, images],
        [Int32Array, labels],
      ],
      call: (x: Uint8Array, y: Int32Array) => session.trainStep(x, y, 0.01),
    },
    {
      name: 'gradients',
      given: [
        [Uint8Array, images],
        [Int32Array, labels],
      ],
      call: (x: Uint8Array, y: Int32Array) => session.gradients(x, y),
    },
    {
      name: 'predict',
      given: [[Uint8Array, images]],
      call: (x: Uint8Array) => session.predict(x, count),
    },
    {
      name: 'setParameters',
      given: [[Float32Array, weights]],
      call: async (values: Float32Array) => {
        const done = session.setParameters(values);
        const read = session.getParameters();
        await done;
        return read;
      },
    },
    {
      name: 'setOptimizerState',
      given: [[Float32Array, weights]],
      call: async (values: Float32Array) => {
        const done = session.setOptimizerState({ step: 3, values });
        const read = session.getOptimizerState();
        await done;
        return read;
      },
    },
    {
      name: 'openClassifier',
      given: [
        [Float32Array, numbers.subarray(0, count * 4)],
        [Int32Array, labels],
      ],
      call: async (features: Float32Array, y: Int32Array) => {
        const classifier = await addon.openClassifier(features, y, { classes: 2, width: 4, threads: 1 });
        const fit = await classifier.fit({ l2: 1 });
        await classifier.dispose();
        return fit;
      },
    },
    {
      name: 'assemble, rows',
      given: [[Uint32Array, Uint32Array.from({ length: count }, (_, i) => i % 4)]],
      call: async (rows: Uint32Array) => {
        const output = new Uint8Array(count * imageBytes);
        await pixels.assemble(rows, output, augmentation);
        return output;
      },
    },
    {
      name: 'assemble, output',
      given: [[Uint8Array, images]],
      call: async (output: Uint8Array) => {
        await pixels.assemble(new Uint32Array(count), output, augmentation);
        return output;
      },
    },
  ];
}

function view([Type, values]: Call['given'][number], { make, tracking }: Way): View {
  const bytes = values.length * (Type as unknown as typeof Float32Array).BYTES_PER_ELEMENT;
  const buffer = make(bytes) as never;
  const made = tracking ? new Type(buffer) : new Type(buffer, 0, values.length);
  made.set(values);
  return made;
}

/** All numbers of an answer, but how long it took. */
function told(answer: unknown): string {
  return JSON.stringify(answer, (key, value) => {
    if (key === 'deviceSeconds') return undefined;
    return ArrayBuffer.isView(value) ? Buffer.from(value.buffer).toString('base64') : value;
  });
}

const folder = temporaryFolder('freed');
const header = Buffer.alloc(4096);
header.write('BIRBSPIX', 0, 'latin1');
for (const [i, number] of [1, side, side, 3].entries()) header.writeUInt32LE(number, 8 + 4 * i);
header.writeBigUInt64LE(4n, 24);
const path = join(folder, 'some.pixels');
writeFileSync(path, Buffer.concat([header, Buffer.alloc(4 * imageBytes, 77)]));

async function answersOf(each: (call: Call, session: NativeSession) => Promise<unknown>) {
  const session = await openSession();
  const pixels = await addon.openPixels([path], 1);
  const answers: { name: string; answer: string }[] = [];
  for (const call of callsOf(session, pixels)) {
    const answer = await each(call, session).catch((error: Error) => error.message);
    answers.push({ name: call.name, answer: told(answer) });
  }
  await Promise.all([session.dispose(), pixels.dispose()]);
  return answers;
}

const kept = await answersOf(({ given, call }) =>
  call(...(given.map((one) => view(one, { make: plain, free: () => {} })) as never[])),
);
for (const [way, how] of Object.entries(ways)) {
  const freed = await answersOf(({ given, call }, session) => {
    // Keeps the thread of the session busy until all is freed.
    session.gradients(new Uint8Array(count * imageBytes), new Int32Array(count));
    const arrays = given.map((one) => view(one, how));
    const answer = call(...(arrays as never[]));
    for (const { buffer } of arrays) how.free(buffer as never);
    arrays.length = 0;
    gc!();
    return answer;
  });
  for (const [i, { name, answer }] of freed.entries()) {
    const same = answer === kept[i]!.answer;
    process.stdout.write(`${JSON.stringify({ way, name, same, ...(same ? {} : { answer }) })}\n`);
  }
}
rmSync(folder, { recursive: true });
