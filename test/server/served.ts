/** A served model for tests, and requests as programs write them that are no browsers. */
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { CORRECTIONS_FILE } from '../../src/data/corrections_mark.ts';
import { encodeWeights } from '../../src/export/weights.ts';
import { ClassFolders } from '../../src/filing/class_folders.ts';
import { loadAddon } from '../../src/model/addon.ts';
import { birbsBn } from '../../src/model/presets.ts';
import { openPredictor } from '../../src/predictor/predictor.ts';
import { correctionRoutes } from '../../src/server/correction_routes.ts';
import { type RunningServer, type ServerOptions, startServer } from '../../src/server/image_server.ts';
import { predictRoutes } from '../../src/server/predict_routes.ts';
import { pageRoute, servePage } from '../../src/server/serve_page.ts';

/** A model that has not learnt anything. @returns its path */
export async function writeTinyModel(folder: string): Promise<string> {
  const network = birbsBn({ imageSize: 16, classNames: ['bird', 'not-bird'] });
  const options = { device: 'cpu', network, seed: 5, batchSize: 1, threads: 1 } as const;
  const session = await loadAddon().createSession({ ...options, optimizer: { kind: 'sgd' } });
  const path = join(folder, 'tiny.safetensors');
  writeFileSync(path, encodeWeights(network, await session.getParameters()));
  await session.dispose();
  return path;
}

export interface Served extends RunningServer {
  url: string;
  /** Errors of ours. */
  faults: unknown[];
}

export async function serveModel(
  model: string,
  corrections: string,
  options: Partial<ServerOptions> = {},
): Promise<Served> {
  const predictor = await openPredictor({ model });
  const folders = await ClassFolders.open(corrections, CORRECTIONS_FILE);
  const { classNames, device } = predictor;
  const about = () => ({
    ...{ model: 'tiny', classNames, device },
    corrections: { folder: corrections, count: folders.count },
  });
  const faults: unknown[] = [];
  const server = await startServer({
    ...{ host: '127.0.0.1', port: 0, onFault: (error) => void faults.push(error) },
    routes: {
      'GET /': pageRoute(servePage({ model: 'tiny', classNames, saves: true })),
      ...predictRoutes(predictor, { about, onAnswers: () => {} }),
      ...correctionRoutes(folders, classNames),
    },
    ...options,
  });
  return {
    ...server,
    faults,
    url: `http://127.0.0.1:${server.port}`,
    async close() {
      await server.close();
      await predictor.dispose();
    },
  };
}

export interface Answered {
  status: number;
  text: string;
}

/** With any headers, those included that a browser would not let a page set. */
export function ask(
  { port }: RunningServer,
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: object; body?: Uint8Array } = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asking = request({ port, path, method, headers: { ...headers }, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more) => (text += more));
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

/** All that comes back for some bytes on a connection; `keep`: our side stays open. */
export function send({ port }: RunningServer, bytes: string | Uint8Array, keep = true): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (more) => (text += more));
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    socket.write(bytes);
    if (!keep) socket.end();
  });
}

/** A form as curl writes it. */
export function formOf(files: { name: string; bytes: Uint8Array }[], boundary = 'B0undary'): Buffer {
  const parts = files.flatMap(({ name, bytes }, i) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="f${i}"; filename="${name}"\r\nContent-Type: image/png\r\n\r\n`,
    bytes,
    '\r\n',
  ]);
  return Buffer.concat([...parts, `--${boundary}--\r\n`].map((part) => Buffer.from(part as string)));
}

export const FORM = { 'content-type': 'multipart/form-data; boundary=B0undary' };
