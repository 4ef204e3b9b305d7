/** What was put into a folder, in order: a file of one JSON object a line, so that it can be taken out again. */
import { appendFile, readFile } from 'node:fs/promises';
import { UserError } from '../base/errors.ts';

/** A file that was made. */
export interface Placed {
  /** Relative to the folder: "bird/photo.jpg". */
  file: string;
  label: string;
  /** Of the bytes, hex; absent where they were not looked at. */
  sha256?: string;
  /** It was there under another label before, as this file. */
  movedFrom?: string;
  /** The file that it is a copy of, or leads to. */
  source?: string;
  isLink?: boolean;
  /** Size and time when it was made: a file that was changed since is not ours to remove. */
  size: number;
  modified: number;
}

/** By name, in the order in which they were placed. */
export type PlacedFiles = Map<string, Placed>;

interface Line extends Partial<Placed> {
  at: string;
  action: 'place' | 'undo';
  file: string;
}

/** What of it still holds, in order; lines that are no lines of ours are passed over. */
export async function readJournal(path: string): Promise<PlacedFiles> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new UserError(`Expected to read ${path}, but ${error.code}; check its permissions`);
  });
  const placed: PlacedFiles = new Map();
  for (const word of text.split('\n')) {
    const line = parseLine(word);
    if (!line) continue;
    const { action, ...one } = line;
    if (action === 'undo') forget(placed, one);
    else remember(placed, one);
  }
  return placed;
}

/** A file was placed. */
export function remember(placed: PlacedFiles, one: Placed): void {
  if (one.movedFrom !== undefined) placed.delete(one.movedFrom);
  placed.set(one.file, one);
}

/** A file was taken back. */
export function forget(placed: PlacedFiles, { movedFrom, ...one }: Placed): void {
  placed.delete(one.file);
  if (movedFrom === undefined) return;
  const [label = ''] = movedFrom.split('/');
  placed.set(movedFrom, { ...one, file: movedFrom, label });
}

function parseLine(word: string): (Placed & { action: 'place' | 'undo' }) | undefined {
  try {
    const line = JSON.parse(word);
    const isOurs = typeof line?.file === 'string' && typeof line.label === 'string';
    return isOurs && (line.action === 'place' || line.action === 'undo') ? line : undefined;
  } catch {
    return undefined;
  }
}

export async function writeJournal(path: string, action: Line['action'], placed: Placed): Promise<void> {
  await appendFile(path, `${JSON.stringify({ at: new Date().toISOString(), action, ...placed })}\n`);
}
