/** Several whole files, fetched side by side in the order in which they will be read. */
import type { HubFile } from './hub_api.ts';
import type { HubRepository, OnBytes } from './hub_repository.ts';

/** More connections are no faster, and the hub counts them. */
const AT_ONCE = 4;

interface Running {
  path: Promise<string>;
  controller: AbortController;
}

export class Downloads {
  readonly #dataset: HubRepository;
  readonly #files: HubFile[];
  readonly #onBytes: OnBytes;
  readonly #running = new Map<HubFile, Running>();
  #hasSpace = false;

  /** @param files in the order in which they will be asked for */
  constructor(dataset: HubRepository, files: HubFile[], onBytes: OnBytes) {
    [this.#dataset, this.#files, this.#onBytes] = [dataset, files, onBytes];
  }

  /** The local path of a file once it is downloaded; also starts the downloads after it. */
  async path(file: HubFile, signal?: AbortSignal): Promise<string> {
    signal?.throwIfAborted();
    if (!this.#hasSpace) await this.#dataset.checkSpace(this.#files);
    this.#hasSpace = true;
    const stop = () => this.#stopAll();
    signal?.addEventListener('abort', stop);
    try {
      const place = this.#files.indexOf(file);
      for (const next of this.#files.slice(place, place + AT_ONCE)) this.#start(next);
      return await this.#running.get(file)!.path;
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Ends the download of a file, if it is not done. */
  async stop(file: HubFile): Promise<void> {
    const running = this.#running.get(file);
    running?.controller.abort();
    await running?.path.catch(() => {});
    this.#running.delete(file);
  }

  #start(file: HubFile): void {
    if (this.#running.has(file)) return;
    const controller = new AbortController();
    const path = this.#dataset.whole(file, this.#onBytes, controller.signal);
    this.#running.set(file, { path, controller });
    // The rejection goes to the caller that requests the file, and the download can be requested again.
    path.catch(() => this.#running.delete(file));
  }

  #stopAll(): void {
    for (const { controller } of this.#running.values()) controller.abort();
  }
}
