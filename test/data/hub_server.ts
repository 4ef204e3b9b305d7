/**
 * A hub for tests, on two ports of this machine: the answers of the real one over files that a test gives, with faults
 * on demand. The second port is where the large files are, as the hub sends its callers to another host for them.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** Bytes are kept as the hub keeps large files (with a sha256), text and `git` as it keeps small ones. */
export type HubFiles = Record<string, Uint8Array | string | { git: Uint8Array }>;

export interface ServedRepository {
  files: HubFiles;
  /** Only tokens in `accepted` may read. */
  gated?: 'auto' | 'manual';
  private?: boolean;
  /** Tokens that may read what is gated or private. */
  accepted?: string[];
}

/** Which answer a fault is for. */
type Place = 'info' | 'tree' | 'paths-info' | 'resolve' | 'git' | 'cdn';

/** What goes wrong with an answer; the first of `hub.faults` that fits is taken. */
export type Fault = {
  on: Place;
  /** Only for this file. */
  path?: string;
  /** How often it happens; for ever if absent. */
  times?: number;
  /** So many answers pass before it happens. */
  after?: number;
} & (
  | { kind: 'status'; status: number; headers?: Record<string, string> }
  /** The connection ends after so many bytes of the body. */
  | { kind: 'drop'; at: number }
  /** Nothing more comes after so many bytes of the body. */
  | { kind: 'stall'; at: number }
  /** A byte of the file is another one. */
  | { kind: 'wrong'; at: number }
  /** The body, and its announced length, differ by so many bytes from what they should be. */
  | { kind: 'length'; by: number }
  /** No length is announced, and after the body more comes for as long as anyone listens. */
  | { kind: 'endless' }
  /** Pieces of so many bytes, with a pause after each. */
  | { kind: 'drip'; bytes: number; pauseMs: number }
  /** The answer leads to itself, under another address each time. */
  | { kind: 'loop' }
  | { kind: 'redirect'; to: string }
  /** The range that was asked for is not heeded: 200 with everything. */
  | { kind: 'whole' }
  /** A range that begins elsewhere than asked for. */
  | { kind: 'elsewhere'; by: number }
  /** Called before the answer, which is then as ever. */
  | { kind: 'call'; call: () => void }
);

/** A request as it came in. */
export interface HubRequest {
  host: 'hub' | 'cdn';
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  /** The file it was for. */
  path?: string;
}

export interface Hub {
  /** What `HF_ENDPOINT` must be. */
  endpoint: string;
  requests: HubRequest[];
  /** Bytes of each file's content that were sent, by its path. */
  sent: Record<string, number>;
  faults: Fault[];
  /**
   * Replaces the files of a repository in a new commit, which it returns; the branch then leads to it. A revision of
   * 40 hex digits is that commit itself.
   */
  publish(name: string, files: HubFiles, revision?: string): string;
  /** The commit that a branch leads to now. */
  commit(name: string, revision?: string): string;
  close(): Promise<void>;
}

export interface HubOptions {
  /** Entries of a page of a file list. */
  pageSize?: number;
  /** What absolute links begin with, if not the endpoint: a mirror's answers speak of the hub itself. */
  linkEndpoint?: string;
}

interface StoredFile {
  path: string;
  content: Uint8Array;
  /** sha256; absent for small files. */
  lfs?: string;
  /** Git's name for the content. */
  oid: string;
}

interface Repository extends Omit<ServedRepository, 'files'> {
  commits: Map<string, Map<string, StoredFile>>;
  branches: Map<string, string>;
}

const hash = (kind: string, content: Uint8Array | string) => createHash(kind).update(content).digest('hex');

/** Ends with the test that started it. */
export async function startHub(
  repositories: Record<string, ServedRepository>,
  options: HubOptions = {},
): Promise<Hub> {
  const hub = await openHub(repositories, options);
  onTestFinished(() => hub.close());
  return hub;
}

/** The same for those who end it themselves. */
export async function openHub(
  repositories: Record<string, ServedRepository>,
  options: HubOptions = {},
): Promise<Hub> {
  const server = new HubServer(options);
  for (const [name, { files, ...rest }] of Object.entries(repositories)) server.create(name, files, rest);
  await server.listen();
  return server;
}

class HubServer implements Hub {
  endpoint = '';
  requests: HubRequest[] = [];
  sent: Record<string, number> = {};
  faults: Fault[] = [];
  readonly #options: HubOptions;
  readonly #repositories = new Map<string, Repository>();
  readonly #hub: Server;
  readonly #cdn: Server;
  #cdnEndpoint = '';

  constructor(options: HubOptions) {
    this.#options = options;
    this.#hub = createServer((request, response) => this.#guard(request, response, 'hub'));
    this.#cdn = createServer((request, response) => this.#guard(request, response, 'cdn'));
  }

  async listen(): Promise<void> {
    this.endpoint = await listen(this.#hub);
    this.#cdnEndpoint = await listen(this.#cdn);
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    }
  }

  create(name: string, files: HubFiles, rest: Omit<ServedRepository, 'files'>): void {
    this.#repositories.set(name, { ...rest, commits: new Map(), branches: new Map() });
    this.publish(name, files);
  }

  publish(name: string, files: HubFiles, revision = 'main'): string {
    const { commits, branches } = this.#repositories.get(name)!;
    const stored = Object.entries(files).map(([path, content]) => store(path, content));
    stored.sort((a, b) => (a.path < b.path ? -1 : 1));
    const commit = /^[0-9a-f]{40}$/.test(revision)
      ? revision
      : hash('sha1', `${commits.size} ${stored.map(({ path, oid }) => `${path} ${oid}`)}`);
    commits.set(commit, new Map(stored.map((file) => [file.path, file])));
    branches.set(revision, commit);
    return commit;
  }

  commit(name: string, revision = 'main'): string {
    return this.#repositories.get(name)!.branches.get(revision)!;
  }

  #guard(request: IncomingMessage, response: ServerResponse, host: 'hub' | 'cdn'): void {
    this.#answer(request, response, host).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse, host: 'hub' | 'cdn'): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const seen: HubRequest = { host, method, url, headers };
    this.requests.push(seen);
    if (host === 'cdn') return this.#fromCdn(seen, response);
    response.setHeader('RateLimit', '"resolvers";r=2999;t=300');
    response.setHeader('RateLimit-Policy', '"fixed window";"resolvers";q=3000;w=300');
    response.setHeader('X-Request-Id', `Root=1-${this.requests.length}`);
    const { pathname, searchParams } = new URL(url, this.endpoint);
    const api =
      /^\/api\/(?:datasets|models)\/([^/]+\/[^/]+)(?:\/(revision|tree|paths-info)\/([^/]+)(?:\/(.*))?)?$/.exec(
        pathname,
      );
    if (api) return this.#api(seen, response, api, searchParams, request);
    const [, name, revision, path] =
      /^\/(?:datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname) ??
      /^\/api\/resolve-cache\/datasets\/([^/]+\/[^/]+)\/([^/]+)\/(.+)$/.exec(pathname) ??
      [];
    if (!name || !revision || !path) return say(response, 404, 'EntryNotFound', 'Not found');
    const file = this.#find(seen, response, name, decodeURIComponent(revision), decodeURIComponent(path));
    if (!file) return;
    seen.path = file.path;
    const commit = this.#commitOf(name, decodeURIComponent(revision))!;
    response.setHeader('X-Repo-Commit', commit);
    if (pathname.startsWith('/api/')) return this.#send(seen, response, 'git', file);
    return this.#resolve(seen, response, file, name, commit);
  }

  #commitOf(name: string, revision: string): string | undefined {
    const { branches, commits } = this.#repositories.get(name)!;
    const wanted = revision === 'HEAD' ? 'main' : revision;
    return branches.get(wanted) ?? (commits.has(wanted) ? wanted : undefined);
  }

  /** Undefined when the answer has been given: no such repository, or not for this token. */
  #open({ headers }: HubRequest, response: ServerResponse, name: string, reads: boolean): boolean {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
    const repository = this.#repositories.get(name);
    if (token === 'hf_expired') {
      say(response, 401, undefined, 'Invalid credentials in Authorization header');
      return false;
    }
    const accepted = token !== undefined && (repository?.accepted ?? []).includes(token);
    if (!repository || (repository.private && !accepted)) {
      if (token === undefined) say(response, 401, undefined, 'Invalid username or password.');
      else say(response, 404, 'RepoNotFound', 'Repository not found');
      return false;
    }
    if (!reads || !repository.gated || accepted) return true;
    const restricted = `Access to dataset ${name} is restricted`;
    if (token === undefined) {
      const text = `${restricted}. You must have access to it and be authenticated to access it. Please log in.`;
      say(response, 401, 'GatedRepo', text);
    } else {
      say(response, 403, 'GatedRepo', `${restricted} and you are not in the authorized list.`);
    }
    return false;
  }

  #find(
    seen: HubRequest,
    response: ServerResponse,
    name: string,
    revision: string,
    path: string,
  ): StoredFile | undefined {
    if (!this.#open(seen, response, name, true)) return undefined;
    const commit = this.#commitOf(name, revision);
    const file = commit && this.#repositories.get(name)!.commits.get(commit)!.get(path);
    if (!commit) say(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    else if (!file) say(response, 404, 'EntryNotFound', 'Entry not found');
    return file || undefined;
  }

  async #api(
    seen: HubRequest,
    response: ServerResponse,
    [, name, what, rev = 'HEAD', path]: RegExpExecArray,
    search: URLSearchParams,
    request: IncomingMessage,
  ): Promise<void> {
    const place = what === 'tree' || what === 'paths-info' ? what : 'info';
    const fault = this.#fault(place, undefined);
    if (fault && (await spoil(fault, response, `${this.endpoint}${seen.url}`))) return;
    if (!this.#open(seen, response, name!, place !== 'info')) return;
    const commit = this.#commitOf(name!, decodeURIComponent(rev));
    if (!commit) {
      return say(response, 404, 'RevisionNotFound', `Invalid rev id: ${decodeURIComponent(rev)}`);
    }
    if (place === 'info') return json(response, this.#info(name!, commit, search), fault);
    const files = [...this.#repositories.get(name!)!.commits.get(commit)!.values()];
    if (place === 'tree')
      return this.#tree(response, seen, files, decodeURIComponent(path ?? ''), search, fault);
    const paths = pathsOf(await bodyOf(request));
    const entries = treeOf(files, '', true);
    json(
      response,
      entries.filter(({ path }) => paths.includes(path)),
      fault,
    );
  }

  #info(name: string, sha: string, search: URLSearchParams): object {
    const { gated = false, private: hidden = false, commits } = this.#repositories.get(name)!;
    const all: Record<string, unknown> = {
      ...{ author: name.split('/')[0], sha, private: hidden, gated, disabled: false, downloads: 1, likes: 0 },
      lastModified: '2025-11-01T12:00:00.000Z',
      siblings: [...commits.get(sha)!.keys()].map((rfilename) => ({ rfilename })),
    };
    const wanted = search.getAll('expand');
    const shown = Object.entries(all).filter(([key]) => wanted.length === 0 || wanted.includes(key));
    return { _id: '621ffdd236468d709f181f3d', id: name, ...Object.fromEntries(shown) };
  }

  #tree(
    response: ServerResponse,
    { url }: HubRequest,
    files: StoredFile[],
    folder: string,
    search: URLSearchParams,
    fault: Fault | undefined,
  ): void {
    const recursive = search.get('recursive') === 'true';
    const entries = treeOf(files, folder === '' ? '' : `${folder}/`, recursive);
    if (folder !== '' && entries.length === 0) {
      say(response, 404, 'EntryNotFound', `${folder} does not exist`);
      return;
    }
    const size = this.#options.pageSize ?? 3;
    const begin = Number(Buffer.from(search.get('cursor') ?? '', 'base64url').toString() || 0);
    if (begin + size < entries.length) {
      const next = new URL(url, this.#options.linkEndpoint ?? this.endpoint);
      next.searchParams.set('cursor', Buffer.from(String(begin + size)).toString('base64url'));
      response.setHeader('Link', `<${next}>; rel="next"`);
    }
    json(response, entries.slice(begin, begin + size), fault);
  }

  async #resolve(
    seen: HubRequest,
    response: ServerResponse,
    file: StoredFile,
    name: string,
    commit: string,
  ): Promise<void> {
    const fault = this.#fault('resolve', file.path);
    if (fault && (await spoil(fault, response, `${this.endpoint}${seen.url}`))) return;
    const etag = `"${file.lfs ?? file.oid}"`;
    response.setHeader('Accept-Ranges', 'bytes');
    if (seen.headers['if-none-match'] === etag) return void response.writeHead(304, { ETag: etag }).end();
    if (!file.lfs) {
      const path = encodeURIComponent(file.path);
      const Location = `/api/resolve-cache/datasets/${name}/${commit}/${path}?etag=${encodeURIComponent(etag)}`;
      return void response.writeHead(307, { ETag: etag, Location }).end();
    }
    const signature = `Expires=1900000000&Signature=${hash('sha1', seen.url)}`;
    response.writeHead(302, {
      'X-Linked-Size': file.content.length,
      'X-Linked-ETag': etag,
      'X-Xet-Hash': hash('sha256', file.lfs),
      Link: `<${this.endpoint}/api/datasets/${name}/xet-read-token/${commit}>; rel="xet-auth"`,
      Location: `${this.#cdnEndpoint}/repos/${name}/${commit}/${encodeURIComponent(file.path)}?${signature}`,
    });
    response.end(`Found. Redirecting to ${this.#cdnEndpoint}`);
  }

  async #fromCdn(seen: HubRequest, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(seen.url, this.#cdnEndpoint);
    const [, name, commit, path] = /^\/repos\/([^/]+\/[^/]+)\/([^/]+)\/(.+)$/.exec(pathname) ?? [];
    const file = this.#repositories
      .get(name ?? '')
      ?.commits.get(commit ?? '')
      ?.get(decodeURIComponent(path ?? ''));
    if (!file || !searchParams.has('Signature')) return void response.writeHead(403).end('AccessDenied');
    seen.path = file.path;
    // Such hosts refuse what is not theirs.
    if (seen.headers.authorization)
      return void response.writeHead(400).end('Only one auth mechanism allowed');
    return this.#send(seen, response, 'cdn', file);
  }

  async #send(seen: HubRequest, response: ServerResponse, place: Place, file: StoredFile): Promise<void> {
    const fault = this.#fault(place, file.path);
    const origin = place === 'cdn' ? this.#cdnEndpoint : this.endpoint;
    if (fault && (await spoil(fault, response, `${origin}${seen.url}`))) return;
    const total = file.content.length;
    response.setHeader('ETag', `"${file.lfs ?? file.oid}"`);
    response.setHeader('Accept-Ranges', 'bytes');
    response.setHeader('Content-Type', 'binary/octet-stream');
    const range = fault?.kind === 'whole' ? undefined : rangeOf(seen.headers.range, total);
    if (range === null) return void response.writeHead(416, { 'Content-Range': `bytes */${total}` }).end();
    const shift = fault?.kind === 'elsewhere' ? fault.by : 0;
    const [begin, end] = range ? [range[0] + shift, range[1] + shift] : [0, total];
    const body = bodyFor(file, begin, end, fault);
    if (fault?.kind !== 'endless') response.setHeader('Content-Length', body.length);
    if (range) response.setHeader('Content-Range', `bytes ${begin}-${end - 1}/${total}`);
    response.writeHead(range ? 206 : 200);
    if (seen.method === 'HEAD') return void response.end();
    await this.#write(response, file.path, body, fault);
  }

  async #write(
    response: ServerResponse,
    path: string,
    body: Uint8Array,
    fault: Fault | undefined,
  ): Promise<void> {
    const step = fault?.kind === 'drip' ? fault.bytes : 65_536;
    const stop =
      fault?.kind === 'drop' || fault?.kind === 'stall' ? Math.min(fault.at, body.length) : body.length;
    response.flushHeaders();
    for (let at = 0; at < stop && !response.destroyed; at += step) {
      const chunk = body.subarray(at, Math.min(at + step, stop));
      this.sent[path] = (this.sent[path] ?? 0) + chunk.length;
      if (!response.write(chunk)) await once(response, 'drain');
      if (fault?.kind === 'drip') await new Promise((resolve) => setTimeout(resolve, fault.pauseMs));
    }
    while (fault?.kind === 'endless' && !response.destroyed) {
      if (!response.write(body)) await once(response, 'drain');
    }
    if (fault?.kind === 'stall') return;
    if (fault?.kind === 'drop') response.socket?.destroySoon();
    else response.end();
  }

  #fault(place: Place, path: string | undefined): Fault | undefined {
    const fits = (fault: Fault) =>
      fault.on === place && (fault.path === undefined || fault.path === path) && fault.times !== 0;
    const fault = this.faults.find(fits);
    if (fault?.after) {
      fault.after -= 1;
      return undefined;
    }
    if (fault?.times !== undefined) fault.times -= 1;
    return fault;
  }
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // One that is forgotten does not keep a process alive.
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function store(path: string, given: HubFiles[string]): StoredFile {
  const git = typeof given === 'string' || 'git' in given;
  const content = typeof given === 'string' ? Buffer.from(given) : 'git' in given ? given.git : given;
  const oid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  return { path, content, oid, ...(git ? {} : { lfs: hash('sha256', content) }) };
}

/** As the hub tells of a file or folder. */
interface Entry {
  type: 'file' | 'directory';
  path: string;
  size: number;
  oid: string;
  lfs?: { oid: string; size: number; pointerSize: number };
  xetHash?: string;
}

/** Files and the folders they are in. */
function treeOf(files: StoredFile[], prefix: string, recursive: boolean): Entry[] {
  const folders = new Set<string>();
  const found: StoredFile[] = [];
  for (const file of files.filter(({ path }) => path.startsWith(prefix))) {
    const names = file.path.slice(prefix.length).split('/');
    for (let depth = 1; depth < (recursive ? names.length : Math.min(names.length, 2)); depth++) {
      folders.add(prefix + names.slice(0, depth).join('/'));
    }
    if (recursive || names.length === 1) found.push(file);
  }
  const directories = [...folders].map(
    (path): Entry => ({ type: 'directory', oid: hash('sha1', path), size: 0, path }),
  );
  return [...directories, ...found.map(entryOf)];
}

function entryOf({ path, oid, content, lfs }: StoredFile): Entry {
  const size = content.length;
  const large = lfs ? { lfs: { oid: lfs, size, pointerSize: 130 }, xetHash: hash('sha256', oid) } : {};
  return { type: 'file', oid, size, ...large, path };
}

function bodyFor({ content }: StoredFile, begin: number, end: number, fault: Fault | undefined): Uint8Array {
  const body = content.subarray(begin, end);
  if (fault?.kind === 'length') {
    return fault.by < 0 ? body.subarray(0, fault.by) : Buffer.concat([body, Buffer.alloc(fault.by)]);
  }
  if (fault?.kind !== 'wrong' || fault.at < begin || fault.at >= end) return body;
  const spoilt = Buffer.from(body);
  spoilt[fault.at - begin]! ^= 0xff;
  return spoilt;
}

/** Undefined: none asked for; null: there is no such range. */
function rangeOf(header: string | undefined, total: number): [number, number] | null | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined) return undefined;
  if (first === '') return last === '' || last === '0' ? null : [Math.max(0, total - Number(last)), total];
  const end = last === '' ? total : Math.min(Number(last) + 1, total);
  return Number(first) < end ? [Number(first), end] : null;
}

/** True when the fault is the whole answer. */
async function spoil(fault: Fault, response: ServerResponse, self: string): Promise<boolean> {
  if (fault.kind === 'call') fault.call();
  if (fault.kind === 'status') {
    const text = JSON.stringify({ error: `Fault ${fault.status}` });
    response.writeHead(fault.status, { 'Content-Type': 'application/json', ...fault.headers }).end(text);
  } else if (fault.kind === 'loop') {
    response.writeHead(302, { Location: `${self}${self.includes('?') ? '&' : '?'}again` }).end();
  } else if (fault.kind === 'redirect') {
    response.writeHead(302, { Location: fault.to }).end();
  } else {
    return false;
  }
  return true;
}

function json(response: ServerResponse, value: unknown, fault: Fault | undefined): void {
  const text = JSON.stringify(value);
  response.writeHead(200, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  if (fault?.kind === 'drop') response.write(text.slice(0, fault.at), () => response.socket?.destroySoon());
  else if (fault?.kind === 'stall') response.write(text.slice(0, fault.at));
  else response.end(text);
}

function say(response: ServerResponse, status: number, code: string | undefined, message: string): void {
  const headers = { 'X-Error-Message': message, ...(code ? { 'X-Error-Code': code } : {}) };
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers });
  response.end(JSON.stringify({ error: message }));
}

/** What is asked for: as JSON by the hub's library, as a form by its Python tools. */
function pathsOf(body: string): string[] {
  return body.startsWith('{') ? JSON.parse(body).paths : new URLSearchParams(body).getAll('paths');
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Of a response; also ends when the other side is gone. */
function once(response: ServerResponse, event: string): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off(event, done).off('close', done);
      resolve();
    };
    response.once(event, done).once('close', done);
  });
}
