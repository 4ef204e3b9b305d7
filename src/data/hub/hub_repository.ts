/** A repository of the hub at one commit: its files listed, fetched whole or in ranges, or found on this disk. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { touch, writeFileWhole } from '../../base/files.ts';
import { Room } from '../cache/cache_budget.ts';
import { fileSum } from '../cache/checksums.ts';
import type { RandomAccess } from '../part.ts';
import { checkSpace, writeError } from './disk_space.ts';
import { explain, HubFailure } from './http_failure.ts';
import type { RepositoryId } from './hub_address.ts';
import {
  type Connection,
  fileAddress,
  findPath,
  type HubFile,
  listRepository,
  resolveCommit,
} from './hub_api.ts';
import { HubCache } from './hub_cache.ts';
import { download, hashFor } from './hub_download.ts';
import { fetchedBytes } from './partial_download.ts';
import { remoteFile } from './remote_file.ts';

export interface HubPlace extends RepositoryId {
  /** A branch, tag or commit. */
  revision: string;
  /** The commit to stay on, if it is known already. */
  commit?: string;
}

/** Takes the bytes that came. */
export type OnBytes = (bytes: number) => void;

const COMMIT = /^[0-9a-f]{40}$/;

export class HubRepository {
  readonly type: RepositoryId['type'];
  readonly name: string;
  readonly revision: string;
  /** All that is asked for is asked of this commit, whatever the branch does meanwhile. */
  readonly commit: string;
  readonly #connection: Connection;
  readonly #cacheDir: string;
  readonly #cache: HubCache;

  private constructor(connection: Connection, place: Required<HubPlace>, cacheDir: string, cache: HubCache) {
    [this.#connection, this.#cacheDir, this.#cache] = [connection, cacheDir, cache];
    [this.type, this.name, this.revision] = [place.type, place.name, place.revision];
    this.commit = place.commit;
  }

  /**
   * Finds the commit; of a repository that was used before, without the network too.
   * @param cacheDir our own folder, for what the shared one has no place for
   * @throws UserError that says what to do
   */
  static async open(connection: Connection, place: HubPlace, cacheDir: string): Promise<HubRepository> {
    const cache = new HubCache(connection.settings.cacheDir, place);
    const commit = [place.commit, place.revision].find((text) => text !== undefined && COMMIT.test(text));
    const found = commit ?? (await commitOf(connection, place, cache));
    return new HubRepository(connection, { ...place, commit: found }, join(cacheDir, 'hub'), cache);
  }

  /** How a person finds a file. */
  nameOf(path: string): string {
    return `hf:${this.name}:${path}`;
  }

  /** The files in a folder and below it, sorted; none if it is not there. */
  async list(folder: string): Promise<HubFile[]> {
    const below = folder === '' ? '' : `${folder}/`;
    const known = async () => {
      const files = await this.#cache.files(this.commit);
      return files.length > 0 ? files.filter(({ path }) => path.startsWith(below)) : undefined;
    };
    const ask = () => listRepository(this.#connection, this, this.commit, folder);
    return this.#remembered(`list ${folder}`, () => ask().catch(noEntry<HubFile[]>([])), known);
  }

  /** What is at a path. */
  async find(path: string): Promise<HubFile | 'folder' | undefined> {
    const known = async () => {
      const files = await this.#cache.files(this.commit);
      if (files.some((file) => file.path.startsWith(`${path}/`))) return 'folder';
      return files.find((file) => file.path === path);
    };
    const ask = () => findPath(this.#connection, this, this.commit, path);
    const found = await this.#remembered<HubFile | 'folder' | null>(
      `find ${path}`,
      async () => (await ask().catch(noEntry(undefined))) ?? null,
      known,
    );
    return found ?? undefined;
  }

  /** Where a file fetched whole will be. */
  pathOf(file: HubFile): string {
    return this.#cache.blobPath(file);
  }

  /** Whether it is there already. */
  async has(file: HubFile): Promise<boolean> {
    return (await this.#cache.blob(file)) !== undefined;
  }

  /** @throws UserError when the disk has no room for what is missing of the files */
  async checkSpace(files: HubFile[]): Promise<void> {
    const { incomplete } = this.#cache;
    let missing = 0;
    for (const file of files) {
      if (await this.has(file)) continue;
      missing += Math.max(0, file.size - (await fetchedBytes(this.pathOf(file), incomplete)));
    }
    if (missing === 0) return;
    const name = `hf:${this.name}`;
    await mkdir(incomplete, { recursive: true }).catch((error) => {
      throw writeError(error, incomplete, name);
    });
    await checkSpace(incomplete, missing, name);
  }

  /** Brings a file to this disk, whole and with the right bytes; returns where it is. */
  async whole(file: HubFile, onBytes?: OnBytes, signal?: AbortSignal): Promise<string> {
    const connection = { ...this.#connection, signal: signal ?? this.#connection.signal };
    const target = this.pathOf(file);
    if (!(await this.#isRight(file, signal))) {
      const name = this.nameOf(file.path);
      if (connection.settings.offline) throw offlineError(name, this.#cache.folder);
      const address = fileAddress(connection.settings, this, this.commit, file.path);
      await this.#reporting(
        download(connection, { file, address, target, folder: this.#cache.incomplete, name, onBytes }),
      );
    }
    // It is for other tools, and may be in a folder that only they may write to.
    await this.#cache.link(file, this.commit).catch(() => {});
    return target;
  }

  /** The content of a file that is small; fetched if it is not here, or not right. */
  async bytes(file: HubFile, onBytes?: OnBytes, signal?: AbortSignal): Promise<Uint8Array> {
    const blob = await this.#cache.blob(file);
    if (blob !== undefined) {
      const bytes = await readFile(blob);
      if (hashFor(file).update(bytes).digest('hex') === (file.sha256 ?? file.oid)) return bytes;
    }
    return readFile(await this.whole(file, onBytes, signal));
  }

  /** A file of which only the ranges that are read are fetched. */
  async remote(
    file: HubFile,
    onBytes?: OnBytes,
    room = new Room(dirname(this.#cacheDir)),
  ): Promise<RandomAccess> {
    const { settings } = this.#connection;
    const name = this.nameOf(file.path);
    const folder = join(this.#cacheDir, 'ranges');
    const release = await room.hold(join(folder, file.sha256 ?? file.oid));
    try {
      const access = await remoteFile(this.#connection, {
        file,
        name,
        folder,
        onBytes,
        onGrow: room.growing(),
        address: fileAddress(settings, this, this.commit, file.path),
      });
      return {
        name,
        size: file.size,
        stamp: access.stamp,
        read: (begin, end, signal) => this.#reporting(access.read(begin, end, signal)),
        close: async () => {
          await access.close!();
          await release();
        },
      };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /**
   * Reads a file that is here whole again.
   * @throws UserError when its bytes have changed
   */
  async verify(file: HubFile, signal?: AbortSignal): Promise<void> {
    if ((await this.#cache.blob(file)) === undefined) return;
    const [hash, right] = [await this.#hashOf(file, true, signal), file.sha256 ?? file.oid];
    if (hash === right) return;
    throw new UserError(
      `"${this.nameOf(file.path)}" has changed on this disk: its hash is ${hash} in place of ${right}; ` +
        `remove ${this.pathOf(file)} to have it fetched again`,
    );
  }

  /** Whether the file is here with the right bytes; wrong ones are removed. */
  async #isRight(file: HubFile, signal?: AbortSignal): Promise<boolean> {
    if ((await this.#cache.blob(file)) === undefined) return false;
    if ((await this.#hashOf(file, false, signal)) === (file.sha256 ?? file.oid)) return true;
    this.#connection.onNote?.(`"${this.nameOf(file.path)}" was damaged on this disk and is fetched again`);
    await rm(this.pathOf(file), { force: true });
    return false;
  }

  /** Of a file that is here: what the hub knows it by. Small files, which have no sha256, are read each time. */
  async #hashOf(file: HubFile, verify: boolean, signal?: AbortSignal): Promise<string> {
    const path = this.pathOf(file);
    if (file.sha256) return (await fileSum(path, this.#cacheDir, { verify, signal })).sha256;
    const hash = hashFor(file);
    for await (const chunk of createReadStream(path, { signal })) hash.update(chunk);
    return hash.digest('hex');
  }

  /** An answer that is the same for ever, asked for once. */
  async #remembered<T>(
    question: string,
    ask: () => Promise<T>,
    offline: () => Promise<T | undefined>,
  ): Promise<T> {
    const owner = this.type === 'dataset' ? this.name : `${this.type} ${this.name}`;
    const key = `${owner} ${this.commit} ${question}`;
    const path = join(this.#cacheDir, 'lists', `${createHash('sha256').update(key).digest('hex')}.json`);
    const known = await readJson<T>(path, key);
    if (known !== undefined) return known;
    const { settings } = this.#connection;
    if (settings.offline) {
      const here = await offline();
      if (here !== undefined) return here;
      throw offlineError(`hf:${this.name}`, this.#cache.folder);
    }
    try {
      const answer = await ask();
      await writeJson(path, { key, answer });
      return answer;
    } catch (error) {
      const unreachable = error instanceof HubFailure && error.facts.unreachable;
      const here = unreachable ? await offline() : undefined;
      if (here !== undefined) return here;
      throw explain(error, this, settings.endpoint, settings.token !== undefined);
    }
  }

  async #reporting<T>(work: Promise<T>): Promise<T> {
    const { endpoint, token } = this.#connection.settings;
    return work.catch((error) => {
      throw explain(error, this, endpoint, token !== undefined);
    });
  }
}

/** The commit that the revision leads to; without a network, led to when it was last seen. */
async function commitOf(connection: Connection, place: HubPlace, cache: HubCache): Promise<string> {
  const { settings, onNote } = connection;
  const { name, revision } = place;
  const known = await cache.commit(revision);
  if (settings.offline) {
    if (known) return known;
    throw offlineError(`hf:${name}@${revision}`, cache.folder);
  }
  try {
    const commit = await resolveCommit(
      { ...connection, impatient: connection.impatient || known !== undefined },
      place,
      revision,
    );
    // An unwritable folder is reported when a file has to be written there.
    await cache.setCommit(revision, commit).catch(() => {});
    return commit;
  } catch (error) {
    if (known && error instanceof HubFailure && error.facts.unreachable) {
      const host = new URL(settings.endpoint).host;
      onNote?.(`${host} ${error.message}: hf:${name} is taken as it was when it was last seen, ${known}`);
      return known;
    }
    throw explain(error, place, settings.endpoint, settings.token !== undefined);
  }
}

function offlineError(what: string, folder: string): UserError {
  return new UserError(
    `${what} is not in ${folder}, and HF_HUB_OFFLINE keeps it from being fetched; unset it and start again with a network`,
  );
}

/** A path that is not there. */
function noEntry<T>(nothing: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof HubFailure && error.facts.code === 'EntryNotFound') return nothing;
    throw error;
  };
}

/** An unwritable folder is reported by the write itself. */
async function writeJson(path: string, value: object): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFileWhole(path, JSON.stringify(value));
  } catch {
    // It is asked for again next time.
  }
}

async function readJson<T>(path: string, key: string): Promise<T | undefined> {
  try {
    const known = JSON.parse(await readFile(path, 'utf8'));
    await touch(path);
    return known.key === key ? known.answer : undefined;
  } catch {
    return undefined;
  }
}
