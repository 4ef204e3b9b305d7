/** The weights of a pretrained network: from the hub, or a file of the user's. */
import { stat } from 'node:fs/promises';
import { UserError } from '../base/errors.ts';
import { quote } from '../base/words.ts';
import {
  type PretrainedModel,
  type PretrainedName,
  type PretrainedWeights,
  pretrainedModels,
  WEIGHTS_FILE,
} from '../model/pretrained.ts';
import { fileSum } from './cache/checksums.ts';
import type { Connection, HubFile } from './hub/hub_api.ts';
import type { HubRepository } from './hub/hub_repository.ts';
import { lockWeights, type WeightsLock } from './lock/weights_lock.ts';
import { type DatasetProgress, Meter } from './meter.ts';

export interface PretrainedOptions {
  /** Folder of our cache; the file itself goes where all tools of Hugging Face keep it. */
  cacheDir: string;
  /** What holds it to one commit and sha256; absent: nothing does. */
  lock?: WeightsLock | undefined;
  /** There is another way if nothing can be reached: that is not tried again. */
  impatient?: boolean;
  onProgress?: (progress: DatasetProgress) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Fetches the weights of a network, or finds them where they were fetched before.
 * @throws UserError that says what to do: no network, the hub is down, other bytes than the lock holds
 */
export async function fetchPretrained(
  name: PretrainedName,
  { cacheDir, lock, impatient = false, onProgress = () => {}, signal }: PretrainedOptions,
): Promise<PretrainedWeights> {
  // Loaded where they are needed: a run on weights of this disk begins sooner.
  const { HubRepository } = await import('./hub/hub_repository.ts');
  const { hubSettings } = await import('./hub/hub_settings.ts');
  const { repository, licence }: PretrainedModel = pretrainedModels[name];
  const source = `hf:${repository}`;
  const meter = new Meter(source, onProgress);
  const connection: Connection = {
    settings: hubSettings(),
    impatient,
    ...(signal ? { signal } : {}),
    onNote: (note) => meter.note({ stage: 'resolve', note }),
  };
  try {
    const revision = await lock?.revisionOf(source);
    const place = { type: 'model', name: repository, revision: 'main' } as const;
    const hub = await HubRepository.open(
      connection,
      revision === undefined ? place : { ...place, commit: revision },
      cacheDir,
    );
    const file = await weightsFile(hub, name);
    let bytes = 0;
    const onBytes = (more: number) => {
      bytes += more;
      meter.note({ stage: 'download', bytes, totalBytes: file.size });
    };
    await hub.checkSpace([file]);
    const path = await hub.whole(file, (await hub.has(file)) ? undefined : onBytes);
    const { size, sha256 } = await fileSum(path, cacheDir, { verify: false, ...(signal ? { signal } : {}) });
    await lockWeights(lock, source, { name: WEIGHTS_FILE, size, sha256, revision: hub.commit });
    return { path, sha256, source: `${source}@${hub.commit}`, licence };
  } finally {
    meter.end();
  }
}

async function weightsFile(hub: HubRepository, name: string): Promise<HubFile> {
  const file = await hub.find(WEIGHTS_FILE);
  if (file !== undefined && file !== 'folder') return file;
  throw new UserError(
    `Expected ${WEIGHTS_FILE} in hf:${hub.name}, but it is not there any more; fetch the weights of ${name} yourself and name them with --pretrained FILE.safetensors`,
  );
}

/** Weights that the user has. @throws UserError when the file can't be read */
export async function localPretrained(
  path: string,
  { cacheDir, signal }: Pick<PretrainedOptions, 'cacheDir' | 'signal'>,
): Promise<PretrainedWeights> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile())
    throw new UserError(
      `Expected --pretrained to name a .safetensors file, but ${quote(path)} ${found ? 'is a folder; a run of yours is named with --init' : 'is not there; check the path'}`,
      2,
    );
  const { sha256 } = await fileSum(path, cacheDir, { verify: false, ...(signal ? { signal } : {}) });
  return { path, sha256, source: path };
}
