/** How a folder of corrections is known from other folders of images. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What `serve` and `review` write into the folder, beside a folder of images for each class. */
export const CORRECTIONS_FILE = 'corrections.jsonl';

/** Whether what a person said of images was saved in this folder: it is right where other labels contradict it. */
export function holdsCorrections(folder: string): boolean {
  return existsSync(join(folder, CORRECTIONS_FILE));
}
