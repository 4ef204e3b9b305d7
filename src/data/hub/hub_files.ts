/** Which files of a data set are its images. */
import { UserError } from '../../base/errors.ts';
import { fixedFolder, globPaths, isGlob } from '../glob.ts';
import { isPassedOver, mayBeImage } from '../image_names.ts';
import type { Source } from '../part.ts';
import { filesOfSide } from '../split_names.ts';
import type { Place } from './hub_address.ts';
import type { HubFile } from './hub_api.ts';
import type { HubRepository } from './hub_repository.ts';

export interface Choice {
  kind: 'parquet' | 'images' | 'archives';
  files: HubFile[];
  /** The side of the split was found in the names of the files. */
  hasSplit: boolean;
}

/** What can be read. */
const KINDS: [Choice['kind'], (path: string) => boolean][] = [
  ['parquet', (path) => /\.parquet$/i.test(path)],
  ['images', mayBeImage],
  ['archives', (path) => /\.(zip|tar|tar\.gz|tgz)$/i.test(path)],
];

const SHOWN = 5;

/** @throws UserError when there is nothing to choose; it names what there is */
export async function chooseFiles(
  dataset: HubRepository,
  { pattern }: Place,
  { text, split }: Source,
): Promise<Choice> {
  const found = await filesAt(dataset, pattern);
  if (found.length === 0) throw await noMatch(dataset, pattern, text);
  const visible = found.filter(({ path }) => !path.split('/').some(isPassedOver));
  const best = bestOf(visible);
  if (best === undefined) throw nothingToRead(dataset, found, text);
  const { kind, files } = best;
  // Named files were chosen by the user; for images the folders determine the split.
  if (split === undefined || kind === 'images') return { kind, files, hasSplit: false };
  const ofSide = filesOfSide(files, split);
  if (ofSide.length > 0) return { kind, files: ofSide, hasSplit: true };
  // An archive may have the two sides in it.
  if (kind === 'archives') return { kind, files, hasSplit: false };
  throw new UserError(
    `Expected ${kind} files of the split "${split}" in "${text}", but no name says so among ${examples(files)}; ` +
      'leave ?split= out, or name the files after a colon',
  );
}

/** Parquet files, else whichever has more bytes: pictures beside shards are for show. */
function bestOf(files: HubFile[]): Pick<Choice, 'kind' | 'files'> | undefined {
  const kinds = KINDS.map(([kind, isOfKind]) => ({
    kind,
    files: files.filter(({ path }) => isOfKind(path)),
  }));
  const found = kinds.filter(({ files }) => files.length > 0);
  const weight = (kind: (typeof kinds)[number]) => kind.files.reduce((sum, { size }) => sum + size, 0);
  return found.find(({ kind }) => kind === 'parquet') ?? found.sort((a, b) => weight(b) - weight(a))[0];
}

async function filesAt(dataset: HubRepository, pattern: string | undefined): Promise<HubFile[]> {
  if (pattern === undefined) return dataset.list('');
  const found = await (isGlob(pattern) ? undefined : dataset.find(pattern));
  if (found === 'folder') return dataset.list(pattern);
  if (found || !isGlob(pattern)) return found ? [found] : [];
  const folder = fixedFolder(pattern);
  const files = await dataset.list(folder === '.' ? '' : folder);
  const paths = globPaths(
    pattern,
    files.map(({ path }) => path),
  );
  const matching = new Set(paths);
  return files.filter(({ path }) => matching.has(path));
}

async function noMatch(
  dataset: HubRepository,
  pattern: string | undefined,
  text: string,
): Promise<UserError> {
  const all = await dataset.list('');
  if (all.length === 0) return new UserError(`Expected files in "${text}", but the data set is empty`);
  return new UserError(
    `Expected files that match "${pattern}" in hf:${dataset.name}, but there are none; it has ${examples(all)}`,
  );
}

function nothingToRead(dataset: HubRepository, files: HubFile[], text: string): UserError {
  const converted =
    dataset.revision === 'main'
      ? `; try the hub's own conversion, hf:${dataset.name}@refs/convert/parquet`
      : '';
  return new UserError(
    `Expected parquet files, images or archives in "${text}", but found ${examples(files)}${converted}`,
  );
}

function examples(files: HubFile[]): string {
  const step = Math.max(1, Math.floor(files.length / SHOWN));
  const shown = files
    .filter((_, i) => i % step === 0)
    .slice(0, SHOWN)
    .map(({ path }) => path);
  return shown.join(', ') + (files.length > shown.length ? `, ... (${files.length} files)` : '');
}
