/** A data set on the Hugging Face hub: of large files, only what is needed of them. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { UserError } from '../../base/errors.ts';
import { treePart } from '../file_tree.ts';
import { readPlace } from '../hub/hub_address.ts';
import type { Connection, HubFile } from '../hub/hub_api.ts';
import { Downloads } from '../hub/hub_downloads.ts';
import { type Choice, chooseFiles } from '../hub/hub_files.ts';
import { HubRepository, type OnBytes } from '../hub/hub_repository.ts';
import { hubSettings } from '../hub/hub_settings.ts';
import type { Part, Pin, RandomAccess, Source, SourceContext } from '../part.ts';
import { archivePart } from './archive_source.ts';
import { localFile, stampOf } from './local_file.ts';
import { parquetPartsOf } from './parquet_source.ts';

/** Less than this in all is fetched whole even if little of it is needed: then its hash can be checked. */
const WHOLE_BYTES = 64 * 2 ** 20;

const PROGRESS_MS = 100;

/** What the parts of one source share. */
interface Opened {
  source: Source;
  context: SourceContext;
  dataset: HubRepository;
  choice: Choice;
  onBytes: OnBytes;
}

/**
 * The parts of the source: shards, archives, or all its pictures as one.
 * @throws UserError when the data set or its files can't be found, or not by this user
 */
export async function hubParts(source: Source, context: SourceContext): Promise<Part[]> {
  const place = readPlace(source.path, source.text);
  const { signal, onProgress, cacheDir, revision: commit } = context;
  const connection: Connection = {
    settings: hubSettings(),
    signal,
    onNote: (note) => onProgress?.({ stage: 'resolve', note }),
  };
  onProgress?.({ stage: 'resolve' });
  const dataset = await HubRepository.open(connection, { type: 'dataset', ...place, commit }, cacheDir);
  const choice = await chooseFiles(dataset, place, source);
  const opened = {
    source,
    context,
    dataset,
    choice,
    onBytes: await counter(dataset, source, choice, context),
  };
  if (choice.kind === 'images') return [picturesPart(opened)];
  return choice.kind === 'parquet' ? shardParts(opened) : archiveParts(opened);
}

/** Whether all of the files is fetched. With a limit on the images only what they need is, unless that is not worth it. */
function isWhole({ limit }: Source, files: HubFile[]): boolean {
  return limit === undefined || files.reduce((sum, { size }) => sum + size, 0) < WHOLE_BYTES;
}

/** Tells of bytes as they come, and of how many there will be where that is known. */
async function counter(
  dataset: HubRepository,
  source: Source,
  { kind, files }: Choice,
  { onProgress }: SourceContext,
): Promise<OnBytes> {
  if (!onProgress) return () => {};
  const known = kind === 'archives' || (kind === 'parquet' && isWhole(source, files));
  const totalBytes = known ? await missingBytes(dataset, files) : undefined;
  let [bytes, reportedAt] = [0, 0];
  return (more) => {
    bytes += more;
    const now = performance.now();
    if (now - reportedAt < PROGRESS_MS && bytes !== totalBytes) return;
    reportedAt = now;
    onProgress({ stage: 'download', bytes, totalBytes });
  };
}

async function missingBytes(dataset: HubRepository, files: HubFile[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => ((await dataset.has(file)) ? 0 : file.size)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

function shardParts({ source, context, dataset, choice, onBytes }: Opened): Part[] {
  const whole = isWhole(source, choice.files);
  const downloads = new Downloads(dataset, choice.files, onBytes);
  const files = choice.files.map((file) => ({
    key: `hub ${dataset.name}:${file.path}`,
    name: dataset.nameOf(file.path),
    size: file.size,
    stamp: file.sha256 ?? file.oid,
    open: async (signal?: AbortSignal): Promise<RandomAccess> => {
      if (!whole && !(await dataset.has(file))) return dataset.remote(file, onBytes, context.room);
      return wholeFile(await downloads.path(file, signal), file);
    },
    pins: pinsOf(dataset, file),
  }));
  const parts = parquetPartsOf(files, source, context);
  return parts.map((part, i) => ({
    ...part,
    isCached: !whole,
    close: async () => {
      await downloads.stop(choice.files[i]!);
      await part.close?.();
    },
  }));
}

function archiveParts({ source, context, dataset, choice, onBytes }: Opened): Part[] {
  const downloads = new Downloads(dataset, choice.files, onBytes);
  const split = choice.hasSplit ? undefined : source.split;
  return choice.files.map((file) => {
    const name = dataset.nameOf(file.path);
    const key = `hub ${dataset.name}:${file.path} ${file.sha256 ?? file.oid}`;
    const part = archivePart(dataset.pathOf(file), {
      key,
      remote: { stamp: file.sha256 ?? file.oid, fetch: () => downloads.path(file, context.signal) },
      name,
      split,
      label: source.label,
      context,
      pins: pinsOf(dataset, file),
    });
    const close = async () => {
      await downloads.stop(file);
      await part.close?.();
    };
    return { ...part, close };
  });
}

/** Pictures in folders: each is fetched when it is read. */
function picturesPart({ source, context, dataset, choice, onBytes }: Opened): Part {
  const files = new Map(choice.files.map((file) => [file.path, file]));
  const name = `hf:${dataset.name}`;
  return treePart({
    key: `hub ${source.path.replace(/@[^:]*/, '')}`,
    name,
    labelled: context.labelled,
    split: source.split,
    label: source.label,
    enters: true,
    list: async () => ({
      files: choice.files.map(({ path, sha256, oid }) => ({ name: path, stamp: sha256 ?? oid })),
      skipped: [],
      ignored: 0,
    }),
    read: (path) => dataset.bytes(files.get(path)!, onBytes, context.signal),
    onEmpty: () => new UserError(`Expected images in "${source.text}", but found none`),
    pins: async () => [pinOfAll(dataset, choice.files)],
  });
}

function pinsOf(dataset: HubRepository, file: HubFile): Part['pins'] {
  return async ({ verify, signal }) => {
    if (verify) await dataset.verify(file, signal);
    const { size, path } = file;
    const sha256 = file.sha256 ?? createHash('sha256').update(`git ${file.oid}`).digest('hex');
    return [{ name: dataset.nameOf(path), size, sha256, revision: dataset.commit }];
  };
}

/** Thousands of small files in one line: what the hub says of each of them. */
function pinOfAll(dataset: HubRepository, files: HubFile[]): Pin {
  const hash = createHash('sha256');
  for (const { path, oid, sha256 } of files) hash.update(`${path}\0${sha256 ?? oid}\n`);
  return {
    name: `hf:${dataset.name} (${files.length} images)`,
    size: files.reduce((sum, { size }) => sum + size, 0),
    sha256: hash.digest('hex'),
    revision: dataset.commit,
  };
}

/** A file that is here whole; it keeps the stamp of its content. */
async function wholeFile(path: string, { sha256, oid }: HubFile): Promise<RandomAccess> {
  const local = await localFile(path, stampOf(await stat(path)));
  return { ...local, stamp: sha256 ?? oid };
}
