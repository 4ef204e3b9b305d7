/**
 * Damaged forms against a served model: each gets a status and a sentence or an answer, and the server lives.
 * `npx tsx test/server/multipart_fuzz.ts 1000` runs the long lane.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { picture, temporaryFolder } from '../images.ts';
import { ask, formOf, type Served, serveModel, writeTinyModel } from './served.ts';

/** Mulberry32, so that a case can be repeated by its number. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const PIECES = [
  '\r\n',
  '--B0undary',
  '--B0undary--',
  'Content-Disposition: ',
  'filename="',
  '"',
  ';',
  '\0',
  '\r',
  '\n\n',
];
const TYPES = [
  'multipart/form-data; boundary=B0undary',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  'multipart/form-data; boundary="B0undary"',
  'multipart/mixed; boundary=B0undary',
  `multipart/form-data; boundary=${'x'.repeat(300)}`,
  'multipart/form-data; boundary=B0undary; boundary=other',
];

function damage(form: Buffer, next: () => number): Buffer {
  let bytes = Buffer.from(form);
  const at = () => Math.floor(next() * (bytes.length + 1));
  for (let i = 0; i <= next() * 4; i++) {
    const [from, to] = [at(), at()].sort((a, b) => a - b) as [number, number];
    switch (Math.floor(next() * 5)) {
      case 0:
        bytes = bytes.subarray(0, from);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
        break;
      case 2:
        bytes = Buffer.concat([
          bytes.subarray(0, from),
          Buffer.from(PIECES[Math.floor(next() * PIECES.length)]!.repeat(1 + Math.floor(next() * 40))),
          bytes.subarray(from),
        ]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
        break;
      default:
        for (let k = 0; k < 8 && bytes.length > 0; k++)
          bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
    }
  }
  return bytes;
}

/** @returns how often each status was answered */
export async function sendDamagedForms(
  server: Served,
  count: number,
  seed = 1,
): Promise<Record<number, number>> {
  const images = await Promise.all([0, 1, 2].map((i) => picture(i === 0, i)));
  const form = formOf(images.map((bytes, i) => ({ name: `${i}.png`, bytes })));
  const statuses: Record<number, number> = {};
  for (let i = 0; i < count; i++) {
    const next = random(seed * 1_000_003 + i);
    const type = next() < 0.8 ? TYPES[0] : TYPES[Math.floor(next() * TYPES.length)];
    const body = damage(form, next);
    const { status, text } = await ask(server, '/predict', {
      ...{ method: 'POST', body },
      headers: { 'content-type': type, 'content-length': body.length },
    });
    const answer = JSON.parse(text);
    const said = [answer].flat().every((one) => typeof (one.error ?? one.label) === 'string');
    if (![200, 400, 413, 422].includes(status) || !said) throw new Error(`case ${i}: ${status} ${text}`);
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  if (server.faults.length > 0) throw server.faults[0];
  return statuses;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = temporaryFolder('fuzz');
  const server = await serveModel(await writeTinyModel(folder), join(folder, 'corrections'));
  const before = process.memoryUsage.rss();
  const statuses = await sendDamagedForms(server, Number(process.argv[2] ?? 1000));
  const { status } = await ask(server, '/health');
  const grown = Math.round((process.memoryUsage.rss() - before) / 1e6);
  console.log(JSON.stringify({ statuses, health: status, grownMegabytes: grown }));
  await server.close();
  rmSync(folder, { recursive: true });
}
