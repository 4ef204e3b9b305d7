/** The lock of a run folder: one process at a time trains in it. */
import { UserError } from '../base/errors.ts';
import { FolderLocked, type Holder, LOCK_FOREIGN_MS, lockFolder } from '../base/folder_lock.ts';
import { moment } from '../base/words.ts';
import { folderError } from './run_folder.ts';

/** The lock of the run that `train` works on. */
export class RunLock {
  #release = async () => {};

  /** @throws UserError if another process trains in the folder, or it is not writable */
  async take(folder: string): Promise<void> {
    this.#release = await lockFolder(folder).catch((error) => {
      throw error instanceof FolderLocked ? lockedError(folder, error.holder) : folderError(folder, error);
    });
  }

  async release(): Promise<void> {
    await this.#release();
  }
}

function lockedError(folder: string, { pid, host, since }: Holder): UserError {
  const when = since === undefined ? '' : ` since ${moment(since)}`;
  const holder = host === undefined ? `process ${pid}` : `process ${pid} on ${host}`;
  const remedy =
    host === undefined
      ? `wait until it ends, or stop it with kill ${pid}`
      : `wait until it ends, or stop it there; if it was killed, its lock expires ${LOCK_FOREIGN_MS / 60_000} minutes later`;
  return new UserError(
    `Expected ${folder} to be free, but ${holder} has been training in it${when}; ${remedy}`,
  );
}
