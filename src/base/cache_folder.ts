/** Where decoded images are kept between runs. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `$XDG_CACHE_HOME/birbs-metal`, or `.cache/birbs-metal` in the home folder. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'birbs-metal');
}
