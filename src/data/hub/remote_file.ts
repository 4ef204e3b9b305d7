/** A file on the hub of which only the ranges that are asked for are fetched, each once. */
import { UserError } from '../../base/errors.ts';
import type { RandomAccess } from '../part.ts';
import { writeError } from './disk_space.ts';
import { ask, type HubAnswer } from './http.ts';
import { HubFailure } from './http_failure.ts';
import type { Connection, HubFile } from './hub_api.ts';
import { checkAnswer } from './hub_download.ts';
import { RangeStore, SEGMENT_BYTES } from './range_store.ts';
import { retrying } from './retry.ts';

/** Whoever reads the last bytes of a file is after the index at its end: it comes with them. */
const TAIL_BYTES = 65_536;

/** The hub's address of a file at its other host is good for an hour. */
const ADDRESS_MS = 600_000;

export interface Remote {
  file: HubFile;
  address: string;
  /** As a person would find it. */
  name: string;
  /** Where the ranges are kept. */
  folder: string;
  onBytes?: (bytes: number) => void;
  /** Awaited before fetched bytes are kept; gets their number so far. */
  onGrow?: (bytes: number) => Promise<void>;
}

/** Opens the file; nothing is fetched yet. */
export async function remoteFile(connection: Connection, remote: Remote): Promise<RandomAccess> {
  const { file, folder, name } = remote;
  try {
    const id = file.sha256 ?? file.oid;
    return new RemoteFile(connection, remote, await RangeStore.open(folder, id, file.size));
  } catch (error) {
    throw writeError(error, folder, name);
  }
}

interface Fetch {
  begin: number;
  end: number;
  done: Promise<unknown>;
}

class RemoteFile implements RandomAccess {
  readonly name: string;
  readonly size: number;
  readonly stamp: string;
  readonly #connection: Connection;
  readonly #remote: Remote;
  readonly #store: RangeStore;
  readonly #running = new Set<Fetch>();
  #elsewhere: { address: string; until: number } | undefined;
  /** Bytes. */
  #fetched = 0;

  constructor(connection: Connection, remote: Remote, store: RangeStore) {
    [this.#connection, this.#remote, this.#store] = [connection, remote, store];
    const { name, file } = remote;
    [this.name, this.size, this.stamp] = [name, file.size, file.sha256 ?? file.oid];
  }

  async read(begin: number, end: number, signal = this.#connection.signal): Promise<Uint8Array> {
    if (!(Number.isSafeInteger(begin) && begin >= 0 && begin <= end && end <= this.size)) {
      throw new UserError(
        `"${this.name}" is damaged: it points to bytes ${begin} to ${end} of ${this.size}; report this to its author`,
      );
    }
    // A second time when what is on the disk turns out to be wrong.
    for (let chance = 0; chance < 2; chance++) {
      await this.#fetch(begin, end, signal);
      const bytes = await this.#store.read(begin, end);
      if (bytes) return bytes;
    }
    throw new UserError(
      `What was fetched of "${this.name}" can't be read back from ${this.#remote.folder}; check that disk`,
    );
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#running].map(({ done }) => done));
    await this.#store.close();
  }

  async #fetch(begin: number, end: number, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const overlapping = [...this.#running].filter((other) => other.begin < end && begin < other.end);
      if (overlapping.length === 0) break;
      // The rejection is handled by the callers that requested this range.
      await Promise.allSettled(overlapping.map(({ done }) => done));
    }
    const holes = this.#store.missing(begin, end);
    if (holes.length === 0) return;
    const last = holes.at(-1)!;
    if (last[1] === this.size && last[0] > this.size - TAIL_BYTES) {
      last[0] = this.#store.missing(Math.max(0, this.size - TAIL_BYTES), this.size).at(-1)![0];
    }
    const fetches = holes.map(([from, to]) => this.#start(from, to, signal));
    const ends = await Promise.allSettled(fetches);
    const failed = ends.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async #start(begin: number, end: number, signal: AbortSignal | undefined): Promise<void> {
    const done = this.#fetchHole(begin, end, signal);
    const fetch = { begin, end, done };
    this.#running.add(fetch);
    try {
      await done;
    } catch (error) {
      throw writeError(error, this.#remote.folder, this.name);
    } finally {
      this.#running.delete(fetch);
    }
  }

  async #fetchHole(begin: number, end: number, signal: AbortSignal | undefined): Promise<void> {
    const { settings } = this.#connection;
    let at = begin;
    const work = async (gained: () => void) => {
      if (at === end) return;
      const answer = await this.#ask(at, end, signal);
      const pieces = new Pieces();
      try {
        for await (const chunk of answer.chunks()) {
          const bytes = chunk.subarray(0, end - at - pieces.size);
          this.#remote.onBytes?.(bytes.length);
          for (const piece of pieces.add(bytes)) {
            await this.#keep(at, piece);
            at += piece.length;
            gained();
          }
          if (bytes.length < chunk.length) break;
        }
      } finally {
        // Also of a connection that broke: it came in order, over a line that knows when bytes are lost.
        const rest = pieces.rest();
        if (rest.length > 0) await this.#keep(at, rest);
        at += rest.length;
      }
      if (at < end) throw this.#failure(answer, `ended ${end - at} bytes too early`);
    };
    await retrying(work, { ...this.#connection, signal, pauseMs: settings.pauseMs });
  }

  async #keep(begin: number, bytes: Uint8Array): Promise<void> {
    this.#fetched += bytes.length;
    await this.#remote.onGrow?.(this.#fetched);
    await this.#store.add(begin, bytes);
  }

  /** An answer that holds the range and nothing else. */
  async #ask(begin: number, end: number, signal: AbortSignal | undefined): Promise<HubAnswer> {
    const { settings } = this.#connection;
    const { address, file } = this.#remote;
    if (settings.offline) {
      throw new UserError(
        `A part of "${this.name}" is needed that is not on this disk, and HF_HUB_OFFLINE keeps it from being fetched; ` +
          'unset it and start again with a network',
      );
    }
    const now = Date.now();
    const known = this.#elsewhere && now < this.#elsewhere.until ? this.#elsewhere.address : undefined;
    this.#elsewhere = undefined;
    const headers = { 'Accept-Encoding': 'identity', Range: `bytes=${begin}-${end - 1}` };
    const answer = await ask(known ?? address, { headers, signal }, settings);
    const { linkedEtag, status, url } = answer;
    if (linkedEtag !== undefined && linkedEtag !== (file.sha256 ?? file.oid)) {
      await answer.drop();
      const problem = `has another file (${linkedEtag.slice(0, 64)}) under this name than it listed`;
      throw new HubFailure(problem, { passing: false, host: url.host });
    }
    if (status === 200 && end - begin < file.size) {
      await answer.drop();
      throw new UserError(
        `${url.host} sends all of "${this.name}" when it is asked for a part; use another HF_ENDPOINT, or take all ` +
          'its images (no ?limit=), which fetches it whole',
      );
    }
    if (status !== 200) await checkAnswer(answer, begin, file.size, end);
    if (url.origin !== new URL(settings.endpoint).origin) {
      this.#elsewhere = { address: url.href, until: now + ADDRESS_MS };
    }
    return answer;
  }

  #failure({ url }: HubAnswer, problem: string): HubFailure {
    return new HubFailure(problem, { passing: true, host: url.host });
  }
}

/** Chunks as they come, to pieces of one size. */
class Pieces {
  size = 0;
  #chunks: Uint8Array[] = [];

  *add(chunk: Uint8Array): Generator<Uint8Array> {
    this.#chunks.push(chunk);
    this.size += chunk.length;
    while (this.size >= SEGMENT_BYTES) {
      const all = Buffer.concat(this.#chunks);
      this.#chunks = [all.subarray(SEGMENT_BYTES)];
      this.size = all.length - SEGMENT_BYTES;
      yield all.subarray(0, SEGMENT_BYTES);
    }
  }

  /** What did not fill a piece. */
  rest(): Uint8Array {
    const all = Buffer.concat(this.#chunks);
    [this.#chunks, this.size] = [[], 0];
    return all;
  }
}
