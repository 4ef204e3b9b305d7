/**
 * A web server that classifies the image in the body of a POST request.
 *   npx tsx examples/predict_server.ts runs/example 3000
 *   curl --data-binary @photo.jpg localhost:3000
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPredictor } from 'birbs-metal';

const [model = 'runs/example', port = '3000'] = process.argv.slice(2);
const LARGEST_IMAGE = 20e6;

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LARGEST_IMAGE) throw new Error(`expected at most ${LARGEST_IMAGE} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

// Loads the network once; requests that come at the same time go through it together.
const predictor = await createPredictor(model);
const server = createServer(async (request, response) => {
  const answer = await readBody(request)
    .then((image) => predictor.predict(image))
    .catch((error: Error) => ({ error: error.message }));
  response.statusCode = 'error' in answer ? 400 : 200;
  response.setHeader('content-type', 'application/json');
  response.end(`${JSON.stringify(answer)}\n`);
});
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

process.on('SIGTERM', () => {
  server.close(() => void predictor.dispose());
});
