/**
 * A served model beside sharp and onnxruntime called directly: the same photos, the same weights, eight requests under
 * way. Ours answers over HTTP; the rival has no server around it. BIRBS_ORT names a folder with onnxruntime-node in it.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { listImageFiles } from '../src/data/sources/folder_source.ts';
import { exportMetadata } from '../src/export/export_metadata.ts';
import { encodeOnnx } from '../src/export/onnx/encode_onnx.ts';
import { plainGraph } from '../src/export/plain_graph.ts';
import { encodeWeights } from '../src/export/weights.ts';
import { loadAddon } from '../src/model/addon.ts';
import type { Network } from '../src/model/network.ts';
import { networks } from '../src/model/presets.ts';
import { openPredictor } from '../src/predictor/predictor.ts';
import { startServer } from '../src/server/image_server.ts';
import { predictRoutes } from '../src/server/predict_routes.ts';
import { alternate, type BenchResult, type MissingRival, median, rounded } from './timer.ts';

const PHOTOS = fileURLToPath(new URL('../../shared/data/photos', import.meta.url));
const IMAGES = 64;
const AT_ONCE = 8;
const ROUNDS = 5;
const CASES = [
  ['birbs-bn', 64],
  ['lite0', 224],
] as const;

export async function* serve(): AsyncGenerator<BenchResult | MissingRival> {
  const rivalName = 'sharp + onnxruntime, no server';
  const ort = loadOrt();
  const { files } = existsSync(PHOTOS) ? await listImageFiles(PHOTOS) : { files: [] };
  const images = await Promise.all(files.slice(0, IMAGES).map((file) => readFile(file)));
  for (const [name, imageSize] of CASES) {
    const what = `${images.length} photos, ${name} at ${imageSize} px, ${AT_ONCE} at once`;
    if (!ort || images.length === 0) {
      const missing = ort ? `no photos in ${PHOTOS}` : 'set BIRBS_ORT to a folder with onnxruntime-node';
      yield { bench: 'serve', case: what, rivalName, missing };
      continue;
    }
    const folder = await mkdtemp(join(tmpdir(), 'birbs-serve-'));
    const made = await makeModel(networks[name]({ imageSize, classNames: ['bird', 'not-bird'] }), folder);
    const ours = await ourServer(made.weights);
    const rival = await bare(ort, made.onnx, imageSize);
    try {
      const latencies: { ours: number[]; rival: number[] } = { ours: [], rival: [] };
      const [ourSeconds, rivalSeconds] = await alternate(
        [
          { name: 'ours', run: () => secondsFor(images, ours.answer, latencies.ours) },
          { name: 'rival', run: () => secondsFor(images, rival, latencies.rival) },
        ],
        ROUNDS,
      );
      const [a, b] = [images.length / ourSeconds!, images.length / rivalSeconds!];
      yield {
        bench: 'serve',
        case: what,
        unit: 'images/s',
        ours: rounded(a),
        rival: rounded(b),
        rivalName,
        ratio: rounded(a / b),
      };
      const [p, q] = [median(latencies.ours), median(latencies.rival)];
      yield {
        bench: 'serve',
        case: `${what}, p50`,
        unit: 'ms',
        ours: rounded(p),
        rival: rounded(q),
        rivalName,
        ratio: rounded(p / q),
      };
    } finally {
      await ours.close();
      await rm(folder, { recursive: true });
    }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: not a dependency of ours, so its types are not there
type Ort = any;

function loadOrt(): Ort | undefined {
  if (process.env.BIRBS_ORT === undefined) return undefined;
  return createRequire(join(resolve(process.env.BIRBS_ORT), 'x.js'))('onnxruntime-node');
}

/** Weights as they are drawn at the start: how good they are makes no difference to the time. */
async function makeModel(network: Network, folder: string) {
  const options = { device: 'cpu', network, seed: 1, batchSize: 1, threads: 1 } as const;
  const session = await loadAddon().createSession({ ...options, optimizer: { kind: 'sgd' } });
  const values = await session.getParameters();
  await session.dispose();
  const calibration = { temperature: 1, unsureBelow: 0.6 };
  const model = {
    network,
    calibration,
    graph: plainGraph(network, values),
    metadata: exportMetadata(network, calibration, {}),
    width: 'fp32',
  } as const;
  const [weights, onnx] = [join(folder, 'model.safetensors'), join(folder, 'model.onnx')];
  await writeFile(weights, encodeWeights(network, values));
  await writeFile(onnx, Buffer.concat(encodeOnnx(model)));
  return { weights, onnx };
}

async function ourServer(model: string) {
  const predictor = await openPredictor({ model });
  const routes = predictRoutes(predictor, { about: () => ({}), onAnswers: () => {} });
  const server = await startServer({ host: '127.0.0.1', port: 0, routes });
  const agent = new Agent({ keepAlive: true });
  return {
    answer: (image: Buffer) =>
      new Promise<void>((done, reject) => {
        const asking = request({ port: server.port, path: '/predict', method: 'POST', agent }, (response) => {
          response
            .on('end', () =>
              response.statusCode === 200 ? done() : reject(new Error(`status ${response.statusCode}`)),
            )
            .resume();
        });
        asking.on('error', reject).end(image);
      }),
    async close() {
      agent.destroy();
      await server.close();
      await predictor.dispose();
    },
  };
}

/** As somebody writes it who has the file and no server: one image a run. */
async function bare(ort: Ort, path: string, size: number) {
  // Its threads would spin while sharp wants the cores.
  const extra = { session: { intra_op: { allow_spinning: '0' } } };
  const session = await ort.InferenceSession.create(path, { extra });
  return async (image: Buffer) => {
    const pixels = await sharp(image)
      .autoOrient()
      .resize(size, size, { fit: 'cover' })
      .toColourspace('srgb')
      .raw()
      .toBuffer();
    const { probabilities } = await session.run({
      image: new ort.Tensor('uint8', pixels, [1, size, size, 3]),
    });
    if (probabilities.data.length !== 2) throw new Error('no answer');
  };
}

async function secondsFor(
  images: Buffer[],
  answer: (image: Buffer) => Promise<void>,
  latencies: number[],
): Promise<number> {
  const begin = performance.now();
  let next = 0;
  const client = async () => {
    while (next < images.length) {
      const image = images[next++]!;
      const asked = performance.now();
      await answer(image);
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  return (performance.now() - begin) / 1000;
}
