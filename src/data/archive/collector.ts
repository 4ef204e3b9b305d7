/** Takes of an archive what is an image, and keeps account of the rest. */
import { UserError } from '../../base/errors.ts';
import { IGNORED_NAMES, IMAGE_SIZE_LIMIT, isPassedOver, kindOfName } from '../image_names.ts';
import type { Skipped } from '../part.ts';
import { isImage, sniff } from '../sniff.ts';
import { BESIDE_NAMES, BESIDE_SIZE_LIMIT } from '../webdataset.ts';
import { type EntryHead, safeName, shownName } from './archive_entry.ts';
import type { Packed, PackWriter } from './pack.ts';

/** So many are kept by name; of the others the number. */
const SKIPPED_LIMIT = 1000;

const ARCHIVE_NAMES = /\.(zip|tar|tgz|gz|bz2|tbz2?|xz|txz|zst|7z|rar)$/i;

/** The lists that come with NABirds. */
export const TEXT_NAMES =
  /(^|\/)(images|image_class_labels|classes|hierarchy|train_test_split|photographers)\.txt$/;
const TEXT_SIZE_LIMIT = 64 * 2 ** 20;

/** Whether a kept file is not a candidate image. */
export function isText(name: string): boolean {
  return TEXT_NAMES.test(name) || BESIDE_NAMES.test(name);
}

/** What was found in an archive. */
export interface Contents {
  files: Map<string, Packed>;
  skipped: Skipped[];
  /** Files that are no images, and of them those that are archives. */
  ignored: number;
  /** The first of them. */
  ignoredNames: string[];
  nested: number;
}

export class Collector {
  readonly contents: Contents = {
    files: new Map(),
    skipped: [],
    ignored: 0,
    ignoredNames: [],
    nested: 0,
  };
  readonly #path: string;
  #skipped = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether the content of the entry is needed. */
  accepts(head: EntryHead): boolean {
    if (head.isFolder) return false;
    const safe = safeName(head.name);
    if ('problem' in safe) return this.#skip(shownName(head.name), safe.problem);
    const { name } = safe;
    if (name.split('/').some(isPassedOver)) return false;
    if (head.problem !== undefined) return this.#skip(name, head.problem);
    if (TEXT_NAMES.test(name)) return head.size <= TEXT_SIZE_LIMIT || this.#skip(name, 'is too large');
    if (BESIDE_NAMES.test(name) && head.size <= BESIDE_SIZE_LIMIT) return true;
    const kind = kindOfName(name);
    if (kind === 'image' && head.size > IMAGE_SIZE_LIMIT) {
      return this.#skip(name, `is larger than ${IMAGE_SIZE_LIMIT / 2 ** 20} MB`);
    }
    if (kind === 'image' || (kind === undefined && head.size > 0 && head.size <= IMAGE_SIZE_LIMIT))
      return true;
    if (ARCHIVE_NAMES.test(name)) this.contents.nested += 1;
    return this.#ignore(name);
  }

  /** Packs the content of an entry that was accepted. */
  async add(head: EntryHead, content: AsyncIterable<Uint8Array>, pack: PackWriter): Promise<void> {
    const name = (safeName(head.name) as { name: string }).name;
    const isKnown = kindOfName(name) === 'image' || isText(name);
    let first = true;
    let isNeeded = true;
    for await (const bytes of content) {
      if (first) isNeeded = isKnown || isImage(sniff(bytes));
      first = false;
      if (isNeeded) await pack.add(bytes);
    }
    if (!isNeeded) {
      this.#ignore(name);
      return;
    }
    const packed = pack.end();
    if (head.crc32 !== undefined && head.crc32 !== packed.crc) {
      throw new UserError(`"${this.#path}" is damaged at "${name}"; fetch it again`);
    }
    // As every other program has it: the last one counts.
    if (this.contents.files.has(name))
      this.#skip(name, 'comes again later in the archive, and only that counts');
    this.contents.files.set(name, packed);
  }

  /** Once all is read. */
  finish(): Contents {
    const { skipped, ignoredNames } = this.contents;
    ignoredNames.sort();
    const more = this.#skipped - skipped.length;
    if (more > 0) skipped.push({ name: '', reason: `has ${more} more files that were skipped` });
    return this.contents;
  }

  #ignore(name: string): false {
    this.contents.ignored += 1;
    if (this.contents.ignoredNames.length < IGNORED_NAMES) this.contents.ignoredNames.push(name);
    return false;
  }

  #skip(name: string, reason: string): false {
    this.#skipped += 1;
    if (this.#skipped <= SKIPPED_LIMIT) this.contents.skipped.push({ name, reason });
    return false;
  }
}
