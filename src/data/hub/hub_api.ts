/** A repository's commit and files, through the hub's own library. */
import { datasetInfo, type ListFileEntry, listFiles, modelInfo, pathsInfo } from '@huggingface/hub';
import { ask, type HubRequest } from './http.ts';
import { HubFailure } from './http_failure.ts';
import { pageAddress, type RepositoryId } from './hub_address.ts';
import type { HubSettings } from './hub_settings.ts';
import { retrying } from './retry.ts';

/** How the hub is asked. */
export interface Connection {
  settings: HubSettings;
  signal?: AbortSignal;
  /** There is another way if nothing can be reached: that is not tried again. */
  impatient?: boolean;
  /** Takes a sentence for the user: a long wait, the cache in place of the network. */
  onNote?: (note: string) => void;
}

/** A file of a repository, at one commit. */
export interface HubFile {
  /** In the repository, with slashes. */
  path: string;
  /** Bytes. */
  size: number;
  /** Git's sha1 of the content, or of its pointer file. */
  oid: string;
  /** Of the content; small files have none. */
  sha256?: string;
}

/** An answer to the API is held in memory. */
const ANSWER_LIMIT = 64 * 2 ** 20;

const FILE_LIMIT = 2_000_000;

/** The commit (40 hex digits) that a branch, tag or commit currently points to. */
export async function resolveCommit(
  connection: Connection,
  { type, name }: RepositoryId,
  revision: string,
): Promise<string> {
  const question = { name, revision, additionalFields: ['sha' as const], ...library(connection) };
  const { sha } = await (type === 'model' ? modelInfo(question) : datasetInfo(question));
  if (typeof sha === 'string' && /^[0-9a-f]{40}$/.test(sha)) return sha;
  throw malformed(connection, 'a commit of 40 hex digits', sha);
}

/** All files of a folder, and of those in it, at a commit; '' is the whole repository. */
export async function listRepository(
  connection: Connection,
  repo: RepositoryId,
  commit: string,
  folder: string,
): Promise<HubFile[]> {
  // The library puts the path into the address as it is.
  const path = encodeURIComponent(folder);
  const files: HubFile[] = [];
  const entries = listFiles({ repo, path, recursive: true, revision: commit, ...library(connection) });
  for await (const entry of entries) {
    connection.signal?.throwIfAborted();
    if (entry.type === 'file') files.push(checked(connection, entry));
    if (files.length > FILE_LIMIT) throw malformed(connection, `at most ${FILE_LIMIT} files`, 'more');
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What is at a path: a file, a folder, or nothing. */
export async function findPath(
  connection: Connection,
  repo: RepositoryId,
  commit: string,
  path: string,
): Promise<HubFile | 'folder' | undefined> {
  const entries = await pathsInfo({ repo, paths: [path], revision: commit, ...library(connection) });
  const entry = entries.find((one) => one.path === path);
  if (entry?.type === 'directory') return 'folder';
  return entry?.type === 'file' ? checked(connection, entry) : undefined;
}

/** Where the content of a file is. */
export function fileAddress(
  settings: HubSettings,
  repository: RepositoryId,
  commit: string,
  path: string,
): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  return `${pageAddress(settings.endpoint, repository)}/resolve/${commit}/${encoded}`;
}

/** The library asks by our rules: it knows neither retries nor time-outs, and takes only tokens that begin with hf_. */
function library(connection: Connection): { hubUrl: string; fetch: typeof fetch } {
  return {
    hubUrl: connection.settings.endpoint,
    fetch: async (address, init) => {
      const request: HubRequest = {
        method: init?.method,
        headers: Object.fromEntries(new Headers(init?.headers)),
        body: init?.body as string | undefined,
        signal: connection.signal,
      };
      const again = { ...connection, pauseMs: connection.settings.pauseMs };
      return retrying(() => askWhole(String(address), request, connection.settings), again);
    },
  };
}

async function askWhole(address: string, request: HubRequest, settings: HubSettings): Promise<Response> {
  const { status, headers, url, chunks } = await ask(address, request, settings);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks()) {
    parts.push(chunk);
    size += chunk.length;
    if (size > ANSWER_LIMIT) {
      throw new HubFailure(`answers with more than ${ANSWER_LIMIT} bytes`, {
        passing: false,
        host: url.host,
      });
    }
  }
  const body = Buffer.concat(parts);
  try {
    JSON.parse(body.toString());
  } catch {
    throw new HubFailure('answers with something else than JSON', { passing: false, host: url.host });
  }
  return new Response(body, { status, headers: { Link: headers.get('Link') ?? '' } });
}

/** The entry, if nothing in it can do harm: it comes from outside and becomes names of files. */
function checked(
  connection: Connection,
  entry: Pick<ListFileEntry, 'path' | 'size' | 'oid' | 'lfs'>,
): HubFile {
  const { path, size, oid, lfs } = entry;
  const parts = typeof path === 'string' ? path.split('/') : [''];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  const safe = parts.every((part) => !/^\.{0,2}$|[\\\u0000-\u001f\u007f]/.test(part)) && path.length < 2000;
  if (!safe) throw malformed(connection, 'safe names of files', path);
  const bytes = lfs?.size ?? size;
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw malformed(connection, `the size of ${path}`, bytes);
  if (!/^[0-9a-f]{40}$/.test(oid ?? '')) throw malformed(connection, `the id of ${path}`, oid);
  if (!lfs) return { path, size: bytes, oid: oid! };
  if (!/^[0-9a-f]{64}$/.test(lfs.oid)) throw malformed(connection, `the sha256 of ${path}`, lfs.oid);
  return { path, size: bytes, oid: oid!, sha256: lfs.oid };
}

function malformed({ settings }: Connection, expected: string, found: unknown): HubFailure {
  const { host } = new URL(settings.endpoint);
  const returned = String(JSON.stringify(found)).slice(0, 200);
  return new HubFailure(`was expected to return ${expected}, but returned ${returned}`, {
    passing: false,
    host,
  });
}
