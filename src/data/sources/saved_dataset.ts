/** How a data set looks that was saved with `save_to_disk` of the datasets library. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Beside the files of one split: which they are. */
export const STATE = 'state.json';
/** Beside the folders of several splits: which they are. */
export const SPLITS = 'dataset_dict.json';

/** Whether a folder is one. */
export async function isSavedDataset(folder: string): Promise<boolean> {
  for (const name of [SPLITS, STATE]) {
    if ((await stat(join(folder, name)).catch(() => null))?.isFile()) return true;
  }
  return false;
}
