/** Pretrained weights in the lock: the commit and bytes that a run began from are those of the runs after it. */
import { UserError } from '../../base/errors.ts';
import type { Pin } from '../part.ts';
import { type LockEntry, makeEntry } from './lock_entry.ts';
import { addToLock, readLock } from './lock_file.ts';

/** The lock of a run, as far as it holds weights. */
export class WeightsLock {
  readonly path: string;
  /** Take what is found, whatever the lock says. */
  readonly update: boolean;

  constructor(path: string, update: boolean) {
    this.path = path;
    this.update = update;
  }

  async entryOf(source: string): Promise<LockEntry | undefined> {
    if (this.update) return undefined;
    return (await readLock(this.path)).find((entry) => entry.source === source && entry.as === 'weights');
  }

  /** The commit that the weights have to stay on. */
  async revisionOf(source: string): Promise<string | undefined> {
    return (await this.entryOf(source))?.revision;
  }
}

/**
 * Compares weights with their entry, or gives them one. A lock that can't be written is no error: the one of the data
 * says so.
 * @throws UserError when they have other bytes than when they were first used
 */
export async function lockWeights(lock: WeightsLock | undefined, source: string, pin: Pin): Promise<void> {
  if (!lock) return;
  const known = await lock.entryOf(source);
  if (!known) {
    await addToLock(lock.path, [makeEntry({ source, as: 'weights', kind: 'hub' }, [pin])]).catch(() => {});
    return;
  }
  const locked = known.files.find(({ name }) => name === pin.name);
  if (locked?.sha256 === pin.sha256) return;
  throw new UserError(
    `Expected the weights ${source} that ${lock.path} holds (sha256 ${locked?.sha256.slice(0, 12)}), but found others (${pin.sha256.slice(0, 12)}); run again with --update-lock to accept them`,
  );
}
