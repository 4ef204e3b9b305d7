/** One process at a time trains in the folder of a run. */
import { UserError } from '../base/errors.ts';
import { FolderLocked, type Holder, LOCK_FOREIGN_MS, lockFolder } from '../base/folder_lock.ts';
import { moment } from '../base/words.ts';
import { folderError } from './run_folder.ts';

/** The lock of the run that `train` works on. */
export class RunLock {
  #release = async () => {};

  /** @throws UserError when another process trains in the folder, or nothing can be written to it */
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
  const who = host === undefined ? `process ${pid}` : `process ${pid} on ${host}`;
  const remedy =
    host === undefined
      ? `wait until it is done, or end it with kill ${pid}`
      : `wait until it is done, or end it there; if it was killed, its lock expires ${LOCK_FOREIGN_MS / 60_000} minutes later`;
  return new UserError(`Expected nobody to train in ${folder}, but ${who} has been at it${when}; ${remedy}`);
}
