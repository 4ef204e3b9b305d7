/** Downloads the archive of a version of a Kaggle data set: resumable, and verified if Kaggle gives its hash. */
import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkSpace, writeError } from '../hub/disk_space.ts';
import { ask, type HubAnswer } from '../hub/http.ts';
import { HubFailure } from '../hub/http_failure.ts';
import { isFetchedElsewhere, Partial } from '../hub/partial_download.ts';
import { retrying } from '../hub/retry.ts';
import type { SourceContext } from '../part.ts';
import type { KaggleSettings } from './kaggle_settings.ts';

/** A try that fetched at least this many bytes counts as progress. */
const GAIN_BYTES = 65_536;

const WAIT_MS = 250;

interface Wanted extends Pick<SourceContext, 'onProgress' | 'signal'> {
  address: string;
  /** Where it goes. */
  target: string;
  /** As a person knows it. */
  name: string;
  /** Awaited before more bytes are kept; gets the bytes so far and the total. */
  onGrow: (bytes: number, total?: number) => Promise<void>;
}

/** Resolves when the file is whole at its target. */
export async function download(wanted: Wanted, settings: KaggleSettings): Promise<void> {
  const { target, name, signal } = wanted;
  const isThere = async () => (await stat(target).catch(() => null)) !== null;
  try {
    await mkdir(dirname(target), { recursive: true });
    while (!(await isThere()) && (await isFetchedElsewhere(target)))
      await sleep(WAIT_MS, undefined, { signal });
    if (await isThere()) return;
    const partial = await Partial.open(target, () => createHash('md5'));
    try {
      await complete(wanted, partial, settings);
    } finally {
      await partial.close();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw writeError(error, dirname(target), name);
  }
}

async function complete(wanted: Wanted, partial: Partial, settings: KaggleSettings): Promise<void> {
  const { signal, name, onProgress } = wanted;
  const onNote = (note: string) => onProgress?.({ stage: 'download', file: name, note });
  await retrying((gained) => fetchRest(wanted, partial, settings, gained), {
    pauseMs: settings.pauseMs,
    signal,
    onNote,
  });
  await partial.finish(wanted.target);
}

/** One try at what is missing. */
async function fetchRest(
  { address, target, name, onGrow, onProgress, signal }: Wanted,
  partial: Partial,
  settings: KaggleSettings,
  gained: () => void,
): Promise<void> {
  const headers: Record<string, string> = { 'Accept-Encoding': 'identity' };
  // From the last byte that is there: of a file that is whole nothing else could be asked.
  const begin = Math.max(0, partial.size - 1);
  if (partial.size > 0) headers.Range = `bytes=${begin}-`;
  const answer = await ask(address, { headers, signal }, settings).catch(async (error) => {
    // What was left is longer than the file is now.
    const isShorter = error instanceof HubFailure && error.facts.status === 416;
    throw isShorter ? await restart(partial, error.facts.host) : error;
  });
  const total = await totalOf(answer, partial);
  await onGrow(partial.size, total);
  if (total !== undefined) await checkSpace(dirname(target), total - partial.size, name);
  let [gain, known] = [0, answer.status === 206 ? 1 : 0];
  for await (const chunk of answer.chunks()) {
    await partial.append(chunk.subarray(known));
    await onGrow(partial.size);
    known = Math.max(0, known - chunk.length);
    onProgress?.({ stage: 'download', file: name, bytes: partial.size, totalBytes: total });
    gain += chunk.length;
    if (gain >= GAIN_BYTES) gained();
  }
  await checkWhole(answer, partial, total);
}

/** Size of the whole file if the response says it; truncates the partial file if the response starts at 0. */
async function totalOf(answer: HubAnswer, partial: Partial): Promise<number | undefined> {
  const { status, headers, url } = answer;
  if (/^text\/html/i.test(headers.get('Content-Type') ?? '')) {
    await answer.drop();
    throw new HubFailure('sends a page to log in', { passing: false, host: url.host, status: 401 });
  }
  if (status === 200) {
    await partial.empty();
    const length = headers.get('Content-Length');
    return length === null ? undefined : Number(length);
  }
  const [, begin, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get('Content-Range') ?? '') ?? [];
  if (status === 206 && Number(begin) === partial.size - 1) return Number(total);
  await answer.drop();
  throw await restart(partial, url.host);
}

/** @throws HubFailure when bytes are missing, or are not those that the host's hash is of */
async function checkWhole(answer: HubAnswer, partial: Partial, total: number | undefined): Promise<void> {
  const { headers, url } = answer;
  if (total !== undefined && partial.size < total) {
    const problem = `ended after ${partial.size} of ${total} bytes`;
    throw new HubFailure(problem, { passing: true, host: url.host });
  }
  const md5 = /(?:^|[,\s])md5=([A-Za-z0-9+/]{22}==)/.exec(headers.get('X-Goog-Hash') ?? '')?.[1];
  const isOther = md5 !== undefined && Buffer.from(md5, 'base64').toString('hex') !== partial.digest();
  if (isOther || (total !== undefined && partial.size > total)) throw await restart(partial, url.host);
}

async function restart(partial: Partial, host: string): Promise<HubFailure> {
  await partial.empty();
  return new HubFailure('sent other bytes than it said', { passing: true, host });
}
