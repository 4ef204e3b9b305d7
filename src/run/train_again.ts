/** The command that trains a run again with corrections. */
import { quote } from '../base/words.ts';
import { kebab } from '../options.ts';
import { readDescription } from './run_folder.ts';

const SOURCES = ['data', 'birds', 'notBirds', 'val'];

/**
 * @param train how the user starts a training
 * @param folder of the run; where it holds none, its sources are left for the user to fill in
 * @param corrections the folder with them
 */
export async function trainAgain(train: string, folder: string, corrections: string): Promise<string> {
  const description = await readDescription(folder);
  const options = typeof description === 'string' ? {} : (description.options as Record<string, unknown>);
  const words = SOURCES.flatMap((name) => {
    const texts = options[name];
    return Array.isArray(texts) ? texts.map((text) => `--${kebab(name)} ${quote(String(text))}`) : [];
  });
  const known = words.length > 0 ? words : ['--data YOUR-IMAGES'];
  const own = `--data ${quote(corrections)}`;
  return [train, ...known, ...(known.includes(own) ? [] : [own])].join(' ');
}
