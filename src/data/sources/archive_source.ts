/** A zip or tar archive of class folders. */
import { realpath, stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { isText, TEXT_NAMES } from '../archive/collector.ts';
import { type RemoteArchive, type UnpackOptions, unpack } from '../archive/unpack.ts';
import type { Unpacked } from '../archive/unpacked.ts';
import { fileSum } from '../cache/checksums.ts';
import { type TreeFiles, treePart } from '../file_tree.ts';
import { IGNORED_NAMES } from '../image_names.ts';
import type { Part, Source, SourceContext } from '../part.ts';
import type { Beside } from '../webdataset.ts';
import { stampOf } from './local_file.ts';
import { matchingFiles, matchingSide } from './matching_files.ts';

const ARCHIVE_NAMES = /\.(zip|tar|tar\.gz|tgz)$/i;

/** The archives that the source names, each a part. */
export async function archiveParts(source: Source, context: SourceContext): Promise<Part[]> {
  const { path: pattern, split, label } = source;
  const files = await matchingFiles(pattern, ARCHIVE_NAMES, 'archive');
  // The sides of a split may be in the names of shards, or in each archive.
  const side = split === undefined || files.paths.length === 1 ? [] : matchingSide(pattern, files, split);
  const inside = side.length > 0 ? undefined : split;
  return Promise.all(
    (side.length > 0 ? side : files.paths).map(async (path) => {
      const found = await realpath(path);
      const pins: Part['pins'] = async (options) => [
        { name: relative(files.folder, path), ...(await fileSum(path, context.cacheDir, options)) },
      ];
      const stamp = stampOf(await stat(found));
      return archivePart(path, { key: found, stamp, name: path, split: inside, label, context, pins });
    }),
  );
}

export interface ArchiveOptions extends Pick<Part, 'pins'> {
  /** What the cache knows it by. */
  key: string;
  /** Of an archive on this disk: changes whenever its bytes may have changed, and only then it is listed again. */
  stamp?: string;
  remote?: RemoteArchive;
  /** What stands before the names of its files for a person. */
  name: string;
  split?: string;
  label?: string;
  context: SourceContext;
}

/**
 * The archive as a part of a source; unpacked when it is first listed or read.
 * @param path of a file on disk, now or after it is fetched; its first bytes decide whether it is a zip or a tar
 */
export function archivePart(path: string, options: ArchiveOptions): Part {
  const { key, remote, stamp = remote?.stamp, name, split, label, context, pins } = options;
  const archive = openOnce(path, { ...context, remote });
  const tree = treePart({
    key: `archive ${key}`,
    name,
    labelled: context.labelled,
    split,
    label,
    enters: true,
    list: async () => filesOf(await archive.open()),
    read: async (file) => (await archive.open()).read(file),
    beside: async () => besideIn(await archive.open()),
    texts: context.role === 'notBirds',
    onEmpty: (found) => emptyArchive(name, found),
    pins,
    close: archive.close,
  });
  // Of many shards only those are open that are read.
  return {
    ...tree,
    stamp,
    isCached: true,
    list: (signal) => tree.list(signal).finally(archive.rest),
    read: async function* (...asked) {
      try {
        yield* tree.read(...asked);
      } finally {
        await archive.rest();
      }
    },
  };
}

interface OpenedOnce {
  open(): Promise<Unpacked>;
  /** It is not read for now. */
  rest(): Promise<void>;
  close(): Promise<void>;
}

/** An archive that is unpacked when it is asked for, and opened again after it was closed. */
export function openOnce(path: string, options: UnpackOptions): OpenedOnce {
  let opened: Promise<Unpacked> | undefined;
  return {
    open: () => {
      opened ??= unpack(path, options);
      return opened;
    },
    rest: async () => (await opened?.catch(() => undefined))?.rest(),
    close: async () => {
      const before = opened;
      opened = undefined;
      await (await before?.catch(() => undefined))?.close();
    },
  };
}

/** The images of an archive. */
export function filesOf({
  files,
  skipped,
  ignored,
  ignoredNames,
  nested,
}: Unpacked): TreeFiles & { nested: number } {
  const names = [...files.keys()].filter((name) => !isText(name)).sort();
  const beside = [...files.keys()].filter(isBeside);
  return {
    files: names.map((name) => ({ name, stamp: contentOf(files.get(name)!) })),
    skipped,
    ignored: ignored + beside.length,
    ignoredNames: [...ignoredNames, ...beside].sort().slice(0, IGNORED_NAMES),
    nested,
  };
}

/** What stands beside the images. */
function besideIn(archive: Unpacked): Beside {
  return { names: [...archive.files.keys()].filter(isBeside), read: (name) => archive.read(name) };
}

function isBeside(name: string): boolean {
  return isText(name) && !TEXT_NAMES.test(name);
}

/** Stamps by content: an archive that was packed again has the same images. */
function contentOf({ size, crc }: { size: number; crc: number }): string {
  return `${size}:${crc}`;
}

function emptyArchive(
  name: string,
  { ignored, skipped, nested = 0 }: TreeFiles & { nested?: number },
): UserError {
  const others = ignored + skipped.length;
  const what =
    others === 0
      ? 'found nothing'
      : `found none among ${others} files${nested > 0 ? `, ${nested} of them archives` : ''}`;
  const first = skipped[0] ? ` (${skipped[0].name} ${skipped[0].reason})` : '';
  return new UserError(
    `Expected images in "${name}", but ${what}${first}; ` +
      (nested > 0 ? 'unpack it and name an archive in it' : 'put one folder of images a class in it'),
  );
}
