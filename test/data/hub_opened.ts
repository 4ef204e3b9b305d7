/** A data set on the tests' hub, opened for one test. */
import { createCipheriv, createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Connection, HubFile } from '../../src/data/hub/hub_api.ts';
import { HubRepository } from '../../src/data/hub/hub_repository.ts';
import { type Hub, type HubOptions, type ServedRepository, startHub } from './hub_server.ts';
import { testFolder } from './made.ts';

/** Bytes without any order in them, others for each seed. */
export function noise(size: number, seed = 0): Buffer {
  const key = createHash('md5').update(`${seed}`).digest();
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

export const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

export interface Opened {
  hub: Hub;
  dataset: HubRepository;
  /** `shared` in it is the folder of Hugging Face's tools, `own` ours. */
  folder: string;
  /** What was said to the user. */
  notes: string[];
  /** Another run, over the same folders. */
  again(settings?: Partial<Connection['settings']>): Promise<HubRepository>;
}

/** owner/birds, with a small file beside those that are given. */
export async function openDataset(
  given: Partial<ServedRepository & HubOptions & Connection['settings']> = {},
): Promise<Opened> {
  const hub = await startHub(
    { 'owner/birds': { ...given, files: { 'small.txt': 'hello', ...given.files } } },
    given,
  );
  const folder = testFolder();
  const notes: string[] = [];
  const settings = { endpoint: hub.endpoint, cacheDir: join(folder, 'shared'), offline: false, ...given };
  const again = (changes: Partial<Connection['settings']> = {}) => {
    const all = { idleSeconds: 10, pauseMs: 1, ...settings, ...changes };
    const connection = { settings: all, onNote: (note: string) => notes.push(note) };
    return HubRepository.open(
      connection,
      { type: 'dataset', name: 'owner/birds', revision: 'main' },
      join(folder, 'own'),
    );
  };
  return { hub, folder, notes, dataset: await again(), again };
}

/** A file that is there. */
export async function fileOf(dataset: HubRepository, path: string): Promise<HubFile> {
  const found = await dataset.find(path);
  if (!found || found === 'folder') throw new Error(`no file ${path}`);
  return found;
}
