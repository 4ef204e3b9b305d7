/** A whole file from the hub: resumed where it was left, and checked against the hub's hash before it gets its name. */
import { createHash, type Hash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../base/errors.ts';
import { checkSpace, writeError } from './disk_space.ts';
import { ask, type HubAnswer } from './http.ts';
import { HubFailure } from './http_failure.ts';
import type { Connection, HubFile } from './hub_api.ts';
import { isFetchedElsewhere, Partial } from './partial_download.ts';
import { retrying } from './retry.ts';

/** A try that fetched at least this many bytes counts as progress. */
const GAIN_BYTES = 65_536;

const WAIT_MS = 250;

export interface Download {
  file: HubFile;
  /** Where it is. */
  address: string;
  /** Where it goes. */
  target: string;
  /** Where it is until it is whole. */
  folder: string;
  /** As a person would find it. */
  name: string;
  /** Bytes that came, or were there; negative when they turned out to be of no use. */
  onBytes?: (bytes: number) => void;
}

/** Resolves when the file is at its target, byte for byte. */
export async function download(connection: Connection, wanted: Download): Promise<void> {
  const { file, target, name, folder } = wanted;
  while (await isFetchedElsewhere(target, folder)) {
    await sleep(WAIT_MS, undefined, { signal: connection.signal }).catch(() => {});
    connection.signal?.throwIfAborted();
  }
  if ((await stat(target).catch(() => undefined))?.size === file.size) {
    wanted.onBytes?.(file.size);
    return;
  }
  try {
    const partial = await Partial.open(target, () => hashFor(file), folder);
    try {
      await complete(connection, wanted, partial);
    } finally {
      await partial.close();
    }
  } catch (error) {
    throw writeError(error, dirname(target), name);
  }
}

async function complete(connection: Connection, wanted: Download, partial: Partial): Promise<void> {
  const { file, target, name, onBytes } = wanted;
  await checkSpace(dirname(target), file.size - partial.size, name);
  onBytes?.(partial.size);
  // Both the leftover of another run and a fresh download may be corrupt, so each is tried twice.
  for (let chance = 0; chance < 2; chance++) {
    await fill(connection, wanted, partial);
    if (partial.digest() === (file.sha256 ?? file.oid)) return partial.finish(target);
    onBytes?.(-partial.size);
    const found = partial.digest();
    await partial.empty();
    if (chance === 0) continue;
    throw new UserError(
      `${name} came with other bytes than the hub says (${file.sha256 ? 'sha256' : 'git sha1'} ${found} in place of ` +
        `${file.sha256 ?? file.oid}) and was thrown away; something between here and the hub changes it`,
    );
  }
}

/** Git knows small files by a hash of a line and the content. */
export function hashFor({ sha256, size }: HubFile): Hash {
  return sha256 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** Asks for what is missing until nothing is. */
async function fill(connection: Connection, wanted: Download, partial: Partial): Promise<void> {
  const { file, onBytes } = wanted;
  const { settings, signal } = connection;
  if (partial.size > file.size) await partial.empty();
  await retrying(
    async (gained) => {
      if (partial.size === file.size && file.size > 0) return;
      const headers: Record<string, string> = { 'Accept-Encoding': 'identity' };
      if (partial.size > 0) headers.Range = `bytes=${partial.size}-`;
      const answer = await ask(wanted.address, { headers, signal }, settings);
      if (answer.status === 200 && partial.size > 0) {
        onBytes?.(-partial.size);
        await partial.empty();
      }
      await checkAnswer(answer, partial.size, file.size);
      let gain = 0;
      for await (const chunk of answer.chunks()) {
        // Of a body that does not end, the hash decides on what belongs here.
        const bytes = chunk.subarray(0, file.size - partial.size);
        await partial.append(bytes);
        onBytes?.(bytes.length);
        gain += bytes.length;
        if (gain >= GAIN_BYTES) gained();
        if (bytes.length < chunk.length) break;
      }
      if (partial.size < file.size)
        throw failure(answer, `ended after ${partial.size} of ${file.size} bytes`);
    },
    { ...connection, pauseMs: settings.pauseMs },
  );
}

/**
 * Whether the body is what was asked for: from `begin` to `end` of `total` bytes.
 * @throws HubFailure, with the body let go
 */
export async function checkAnswer(
  answer: HubAnswer,
  begin: number,
  total: number,
  end = total,
): Promise<void> {
  const { status, headers } = answer;
  const range = headers.get('Content-Range');
  const length = headers.get('Content-Length');
  const partly = begin > 0 || end < total;
  const problem =
    status !== (partly ? 206 : 200)
      ? `answers ${status} to a range of bytes`
      : partly && range !== `bytes ${begin}-${end - 1}/${total}`
        ? `sends "${range}" in place of bytes ${begin}-${end - 1}/${total}`
        : length !== null && Number(length) !== end - begin
          ? `sends ${length} bytes in place of ${end - begin}`
          : undefined;
  if (problem === undefined) return;
  await answer.drop();
  throw failure(answer, problem);
}

function failure({ url }: HubAnswer, problem: string): HubFailure {
  return new HubFailure(problem, { passing: true, host: url.host });
}
