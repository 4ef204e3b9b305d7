/** The body of a request, and the images in it. */
import type { IncomingMessage } from 'node:http';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import { megabytes } from '../base/words.ts';
import { sniff } from '../data/sniff.ts';
import { type Limits, Refusal } from './limits.ts';

/** An image as it was sent. */
export interface SentImage {
  /** As its sender names it; `-` where it has no name. */
  name: string;
  bytes: Uint8Array;
}

/**
 * Bytes that the body has at most, by its head.
 * @throws Refusal when that is too many
 */
export function announcedBytes({ headers }: IncomingMessage, { bytes }: Pick<Limits, 'bytes'>): number {
  const announced = headers['content-length'];
  if (announced === undefined) return headers['transfer-encoding'] === undefined ? 0 : bytes;
  if (Number(announced) > bytes) throw tooLarge(megabytes(Number(announced)), bytes);
  return Number(announced);
}

function tooLarge(found: string, limit: number): Refusal {
  return new Refusal(413, `Expected at most ${megabytes(limit)} in a request, but found ${found}`);
}

/** @throws Refusal when it is too large or ends early, the reason of the signal */
export function readBody(
  request: IncomingMessage,
  { bytes: limit }: Pick<Limits, 'bytes'>,
  signal: AbortSignal,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (finish: () => void) => {
      request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onError);
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limit) return settle(() => reject(tooLarge('more', limit)));
      chunks.push(chunk);
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks)));
    const onError = () =>
      settle(() => reject(new Refusal(400, 'The request ended before its body was whole')));
    const onAbort = () => settle(() => reject(signal.reason));
    if (signal.aborted) return reject(signal.reason);
    request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onError);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * The images in a body: the body itself, or the files of a form.
 * @returns `isForm`: whether they came as a form
 * @throws Refusal when there is none, there are too many, or the form can't be read
 */
export async function imagesIn(
  { headers }: IncomingMessage,
  body: Buffer,
  limits: Pick<Limits, 'files' | 'bytes'>,
): Promise<{ images: SentImage[]; isForm: boolean }> {
  const type = headers['content-type'] ?? '';
  if (/^multipart\//i.test(type)) return { images: await filesOf(type, body, limits), isForm: true };
  if (body.length === 0)
    throw new Refusal(400, 'Expected the bytes of an image as the body of the request, but found nothing');
  // curl calls whatever it sends a form; what the bytes are counts.
  if (FOREIGN.test(type) && !sniff(body).readable)
    throw new Refusal(
      415,
      `Expected the bytes of an image or multipart/form-data, but found ${type.slice(0, 100)}; with curl: --data-binary @photo.jpg, or -F image=@photo.jpg`,
    );
  return { images: [{ name: '-', bytes: body }], isForm: false };
}

const FOREIGN = /^(application\/json|application\/x-www-form-urlencoded|text\/(?!plain))/i;

function filesOf(type: string, body: Buffer, { files, bytes }: Pick<Limits, 'files' | 'bytes'>) {
  return new Promise<SentImage[]>((resolve, reject) => {
    const images: SentImage[] = [];
    const refuse = (problem: string) => reject(new Refusal(400, `Expected files in a form, but ${problem}`));
    let parser: BusboyInstance;
    try {
      parser = new Busboy({
        headers: { 'content-type': type },
        limits: { files, parts: 2 * files, fields: files, fieldSize: 1000, headerPairs: 20, fileSize: bytes },
      });
    } catch (error) {
      return refuse(`its head can't be read (${(error as Error).message})`);
    }
    parser.on('file', (_field, stream, name = '') => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', (error) => refuse(`one can't be read (${error.message})`));
      stream.on('end', () => images.push({ name: name === '' ? '-' : name, bytes: Buffer.concat(chunks) }));
    });
    for (const event of ['filesLimit', 'partsLimit', 'fieldsLimit'] as const)
      parser.on(event, () =>
        reject(
          new Refusal(413, `Expected at most ${files} images in a request, but found more; send several`),
        ),
      );
    parser.on('error', (error) => refuse(`it can't be read (${(error as Error).message})`));
    parser.on('finish', () =>
      images.length > 0 ? resolve(images) : refuse('found none; with curl: -F image=@photo.jpg'),
    );
    parser.end(body);
  });
}
