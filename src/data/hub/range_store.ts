/** The cached ranges of a remote file: a sparse file, and a record of its filled segments. */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { touch } from '../../base/files.ts';

/** Longer pieces are recorded as several. */
export const SEGMENT_BYTES = 2 ** 18;

interface Segment {
  begin: number;
  end: number;
  /** The first digits of the sha256. */
  sum: string;
  /** Its bytes were found right, or written, by this process. */
  checked: boolean;
}

/**
 * A segment is valid if its line is in the record and its bytes have the line's checksum: whatever a killed
 * process or a machine without power left half written is a hole. Several processes may use it at once.
 */
export class RangeStore {
  readonly #size: number;
  readonly #data: FileHandle;
  readonly #record: FileHandle;
  /** By their begin; they do not overlap. */
  readonly #segments: Segment[] = [];

  private constructor(size: number, data: FileHandle, record: FileHandle) {
    [this.#size, this.#data, this.#record] = [size, data, record];
  }

  /**
   * @param id of the content: never the same for other bytes
   * @param size of the remote file, in bytes
   */
  static async open(folder: string, id: string, size: number): Promise<RangeStore> {
    await mkdir(folder, { recursive: true });
    const [dataPath, recordPath] = [join(folder, `${id}.bytes`), join(folder, `${id}.ranges`)];
    // Opened to write anywhere, and made if it is not there, but never emptied.
    await (await open(dataPath, 'a')).close();
    const data = await open(dataPath, 'r+');
    const record = await open(recordPath, 'a').catch(async (error) => {
      await data.close();
      throw error;
    });
    const store = new RangeStore(size, data, record);
    store.#load(await readFile(recordPath, 'utf8'));
    await touch(recordPath);
    return store;
  }

  /** The holes between `begin` and `end`, in order. */
  missing(begin: number, end: number): [number, number][] {
    const holes: [number, number][] = [];
    let at = begin;
    for (let i = this.#after(begin); i < this.#segments.length && this.#segments[i]!.begin < end; i++) {
      const segment = this.#segments[i]!;
      if (segment.begin > at) holes.push([at, segment.begin]);
      at = segment.end;
    }
    if (at < end) holes.push([at, end]);
    return holes;
  }

  /** Keeps bytes that belong at `begin`; at most `SEGMENT_BYTES` of them. */
  async add(begin: number, bytes: Uint8Array): Promise<void> {
    await this.#data.write(bytes, 0, bytes.length, begin);
    const segment = { begin, end: begin + bytes.length, sum: sumOf(bytes), checked: true };
    // A line that was cut off by a kill ends here at the latest.
    await this.#record.appendFile(`\n${segment.begin} ${segment.end} ${segment.sum}\n`);
    this.#insert(segment);
  }

  /** The bytes, or undefined when they are not all there, or not right; then the wrong ones are holes again. */
  async read(begin: number, end: number): Promise<Uint8Array | undefined> {
    for (let i = this.#after(begin); i < this.#segments.length && this.#segments[i]!.begin < end; i++) {
      const segment = this.#segments[i]!;
      if (segment.checked) continue;
      segment.checked = sumOf(await this.#bytes(segment.begin, segment.end)) === segment.sum;
      if (!segment.checked) this.#segments.splice(this.#segments.indexOf(segment), 1);
      // Another call may have changed the list meanwhile.
      i = this.#after(begin) - 1;
    }
    return this.missing(begin, end).length === 0 ? this.#bytes(begin, end) : undefined;
  }

  async close(): Promise<void> {
    await Promise.all([this.#data.close(), this.#record.close()]);
  }

  async #bytes(begin: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - begin);
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await this.#data.read(bytes, done, bytes.length - done, begin + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes;
  }

  #load(record: string): void {
    for (const line of record.split('\n')) {
      const [, first, last, sum] = /^(\d{1,16}) (\d{1,16}) ([0-9a-f]{16})$/.exec(line) ?? [];
      const [begin, end] = [Number(first), Number(last)];
      const right = begin < end && end <= this.#size && end - begin <= SEGMENT_BYTES;
      if (right) this.#insert({ begin, end, sum: sum!, checked: false });
    }
  }

  /** Replaces the segments that it covers. Two processes may have split the same range differently. */
  #insert(segment: Segment): void {
    const i = this.#after(segment.begin);
    let count = 0;
    for (
      let other = this.#segments[i];
      other && other.begin < segment.end;
      other = this.#segments[i + count]
    ) {
      if (other.begin < segment.begin || other.end > segment.end) return;
      count += 1;
    }
    this.#segments.splice(i, count, segment);
  }

  /** The first segment that ends after `position`. */
  #after(position: number): number {
    let [low, high] = [0, this.#segments.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#segments[middle]!.end > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
