/** A zip or tar archive of class folders. */
import { realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { TEXT_NAMES } from '../archive/collector.ts';
import { type RemoteArchive, type UnpackOptions, unpack } from '../archive/unpack.ts';
import type { Unpacked } from '../archive/unpacked.ts';
import { fileSum } from '../cache/checksums.ts';
import { type TreeFiles, treePart } from '../file_tree.ts';
import type { Part, Source, SourceContext } from '../part.ts';
import { stampOf } from './local_file.ts';

/** The parts of the source. */
export async function archiveParts({ path, split, label }: Source, context: SourceContext): Promise<Part[]> {
  const found = await realpath(path).catch(() => null);
  if (found === null) throw new UserError(`No such file: "${path}"; check the path`);
  const pins: Part['pins'] = async (options) => [
    { name: basename(path), ...(await fileSum(path, context.cacheDir, options)) },
  ];
  const stamp = stampOf(await stat(found));
  return [archivePart(path, { key: found, stamp, name: path, split, label, context, pins })];
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
 * @param path of a file on disk, now or when it is fetched; whether it is a zip or a tar is told by its first bytes
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
    onEmpty: (found) => emptyArchive(name, found),
    pins,
    close: archive.close,
  });
  return { ...tree, stamp, isCached: true };
}

/** An archive that is unpacked when it is asked for, and opened again after it was closed. */
export function openOnce(
  path: string,
  options: UnpackOptions,
): { open(): Promise<Unpacked>; close(): Promise<void> } {
  let opened: Promise<Unpacked> | undefined;
  return {
    open: () => {
      opened ??= unpack(path, options);
      return opened;
    },
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
  const names = [...files.keys()].filter((name) => !TEXT_NAMES.test(name)).sort();
  return {
    files: names.map((name) => ({ name, stamp: contentOf(files.get(name)!) })),
    skipped,
    ignored,
    ignoredNames,
    nested,
  };
}

/** By the content: an archive that was packed anew has the same images. */
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
