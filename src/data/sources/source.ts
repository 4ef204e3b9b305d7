/** What a source text means, and which source opens it. */
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { UserError } from '../../base/errors.ts';
import type { Part, Source, SourceContext } from '../part.ts';
import { isSavedDataset } from './saved_dataset.ts';
import { pathAsThere } from './unicode_path.ts';

const FORMS =
  'a folder, a .parquet file or glob, a .zip or .tar archive, a .csv list, hf:OWNER/NAME, nabirds:PATH, ' +
  'kaggle:OWNER/NAME, or demo';

/** What stands before the colon of a source that is no path. */
const SCHEMES = { hf: 'hub', nabirds: 'nabirds', kaggle: 'kaggle' } as const;

const ENDINGS: [RegExp, Source['kind']][] = [
  [/\.parquet$/i, 'parquet'],
  [/\.arrow$/i, 'arrow'],
  [/\.(zip|tar|tar\.gz|tgz)$/i, 'archive'],
  [/\.(csv|tsv)$/i, 'list'],
];

/**
 * Reads a source text; says what is wrong with it before anything is opened.
 * @param root folder that a relative path starts from; absent: the working directory
 * @throws UserError, exit code 2 for a form that is not known, 1 for a folder or file that is not there
 */
export async function parseSource(text: string, root?: string): Promise<Source> {
  const { path: asked, ...rest } = readQuery(text);
  if (asked === '') throw new UserError(`Expected a source (${FORMS}), but found "${text}"`, 2);
  if (asked === 'demo') {
    if (rest.split !== undefined) {
      throw new UserError(
        `Expected ?label= or ?limit= after demo, which has no train and test split, but found "${text}"; leave ?split= out`,
        2,
      );
    }
    return { text, kind: 'demo', path: asked, ...rest };
  }
  const scheme = schemeOf(asked);
  const bare = scheme ? asked.slice(scheme.length + 1) : asked;
  const isMoved = root !== undefined && !isAbsolute(bare) && (!scheme || scheme === 'nabirds');
  const named = isMoved ? `${root}/${bare}` : bare;
  const path = scheme && scheme !== 'nabirds' ? named : pathAsThere(named);
  const query = isMoved ? { ...rest, root } : rest;
  if (scheme) return { text, kind: SCHEMES[scheme], path, ...query };
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) {
    return { text, kind: (await isSavedDataset(path)) ? 'arrow' : 'folder', path, ...query };
  }
  const kind = ENDINGS.find(([ending]) => ending.test(path))?.[1];
  if (kind) return { text, kind, path, ...query };
  if (!found) {
    throw new UserError(`No such folder: "${path}" (a source is ${FORMS}); check the path`);
  }
  throw new UserError(`Expected ${FORMS}, but found "${path}"`, 2);
}

/** What follows the path: ?label=bird&limit=3000&split=train, in any order. */
function readQuery(text: string): Pick<Source, 'path' | 'label' | 'limit' | 'split'> {
  const begin = /\?[A-Za-z][\w-]*=/.exec(text)?.index;
  if (begin === undefined) return { path: text };
  const query: Pick<Source, 'label' | 'limit' | 'split'> = {};
  // A label may have a & in it.
  for (const part of text.slice(begin + 1).split(/&(?=(?:label|limit|split)=)/)) {
    const equals = part.indexOf('=');
    const [key, value] = [part.slice(0, equals), part.slice(equals + 1)];
    if (key === 'label' && value !== '') query.label = value;
    else if (key === 'limit' && /^[1-9]\d{0,8}$/.test(value)) query.limit = Number(value);
    else if (key === 'split' && value !== '') query.split = value;
    else throw queryError(key, text);
  }
  return { path: text.slice(0, begin), ...query };
}

function queryError(key: string, text: string): UserError {
  const expected = {
    label: 'a name after ?label=',
    limit: 'a number of images after ?limit=',
    split: 'the name of a side, such as train or test, after ?split=',
  }[key];
  return new UserError(
    expected
      ? `Expected ${expected} in "${text}"`
      : `Expected ?label=NAME, ?limit=N or ?split=SIDE after the source, but found ?${key}= in "${text}"`,
    2,
  );
}

function schemeOf(path: string): keyof typeof SCHEMES | undefined {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):/.exec(path)?.[1];
  if (!scheme) return undefined;
  if (Object.hasOwn(SCHEMES, scheme)) return scheme as keyof typeof SCHEMES;
  throw new UserError(
    `Expected ${FORMS}, but found the unknown scheme "${scheme}:" in "${path}"; write ./${path} if it is a path`,
    2,
  );
}

/** The files, folder or packages behind a source, listed and read only when they are asked for it. */
export async function partsOf(source: Source, context: SourceContext): Promise<Part[]> {
  // Each kind is loaded when it is asked for: together they take as long as a start from the cache.
  switch (source.kind) {
    case 'demo':
      return [await (await import('./demo_source.ts')).demoPart(context.size)];
    case 'folder':
      return [await (await import('./folder_source.ts')).folderPart(source.path, context.labelled, source)];
    case 'parquet':
      return (await import('./parquet_source.ts')).parquetParts(source, context);
    case 'hub':
      return (await import('./hub_source.ts')).hubParts(source, context);
    case 'arrow':
      return (await import('./arrow_source.ts')).arrowParts(source, context);
    case 'archive':
      return (await import('./archive_source.ts')).archiveParts(source, context);
    case 'nabirds':
      return (await import('./nabirds_source.ts')).nabirdsParts(source, context);
    case 'list':
      return (await import('./list_source.ts')).listParts(source, context);
    case 'kaggle':
      return (await import('./kaggle_source.ts')).kaggleParts(source, context);
  }
}
