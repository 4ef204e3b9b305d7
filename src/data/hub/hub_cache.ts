/** The folder that all tools of Hugging Face share: what is there is not fetched again, by us or by them. */
import { mkdir, readdir, readFile, readlink, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { getRepoFolderName } from '@huggingface/hub';
import { writeFileWhole } from '../../base/files.ts';
import type { RepositoryId } from './hub_address.ts';
import type { HubFile } from './hub_api.ts';

/** One repository in the shared folder: blobs by hash, links to them by commit and path, commits by revision. */
export class HubCache {
  readonly folder: string;

  constructor(cacheDir: string, repository: RepositoryId) {
    this.folder = join(cacheDir, getRepoFolderName(repository));
  }

  /** Where the content of a file is, or would be. */
  blobPath({ sha256, oid }: HubFile): string {
    return join(this.folder, 'blobs', sha256 ?? oid);
  }

  /** Where blobs are until they are whole. */
  get incomplete(): string {
    return join(this.folder, 'incomplete');
  }

  /** The blob, if it is there in its full size; whether its bytes are right is another question. */
  async blob(file: HubFile): Promise<string | undefined> {
    const path = this.blobPath(file);
    const found = await stat(path).catch(() => undefined);
    return found?.isFile() && found.size === file.size ? path : undefined;
  }

  /** Makes the file appear under its own name. */
  async link(file: HubFile, commit: string): Promise<void> {
    const path = join(this.folder, 'snapshots', commit, file.path);
    const target = relative(dirname(path), this.blobPath(file));
    if ((await readlink(path).catch(() => '')) === target) return;
    await mkdir(dirname(path), { recursive: true });
    await rm(path, { force: true });
    await symlink(target, path).catch(async (error) => {
      // Another process may have made it meanwhile.
      if ((await readlink(path).catch(() => '')) !== target) throw error;
    });
  }

  /** The commit that a revision led to when it was last asked for. */
  async commit(revision: string): Promise<string | undefined> {
    const text = await readFile(this.#refPath(revision), 'utf8').catch(() => '');
    return /^[0-9a-f]{40}$/.test(text.trim()) ? text.trim() : undefined;
  }

  async setCommit(revision: string, commit: string): Promise<void> {
    if ((await this.commit(revision)) === commit) return;
    await mkdir(dirname(this.#refPath(revision)), { recursive: true });
    await writeFileWhole(this.#refPath(revision), commit);
  }

  /** The files of a commit that are in the cache. */
  async files(commit: string): Promise<HubFile[]> {
    const root = join(this.folder, 'snapshots', commit);
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const links = entries.filter((entry) => entry.isSymbolicLink());
    const files = await Promise.all(
      links.map(async (entry): Promise<HubFile | undefined> => {
        const path = join(entry.parentPath, entry.name);
        const etag = basename(await readlink(path).catch(() => ''));
        const found = await stat(path).catch(() => undefined);
        if (!found?.isFile() || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) return undefined;
        const name = relative(root, path).split('\\').join('/');
        const known = { path: name, size: found.size, oid: etag.slice(0, 40) };
        return etag.length === 64 ? { ...known, sha256: etag } : known;
      }),
    );
    return files.filter((file) => file !== undefined).sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #refPath(revision: string): string {
    return join(this.folder, 'refs', revision);
  }
}
