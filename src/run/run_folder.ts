/** The folder of a run. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { removeLeftovers } from '../base/file_owner.ts';
import { saveFile, saveJson } from '../base/files.ts';
import { isLockFile } from '../base/folder_lock.ts';
import { quote } from '../base/words.ts';
import type { LogLine } from '../training/train_events.ts';

/** What a run leaves that ended before its first checkpoint. */
const UNBEGUN = ['run.json', 'report.html', 'find-lr.json', 'undelivered_alerts.json'];

/**
 * Makes the folder of a run.
 * @param path a new or empty folder, or one of a run that ended before its first step; absent: `runs/<date and time>`
 * @param lock takes the folder for this process
 * @throws UserError with exit code 2 when there is something else in it
 */
export async function createRunFolder(
  path: string | undefined,
  lock: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = path ?? (await makeNamed('runs', timestamp()));
  await checkUnused(folder);
  await mkdir(folder, { recursive: true }).catch((error) => {
    throw folderError(folder, error);
  });
  await lock(folder);
  // Another process may have been quicker.
  await checkUnused(folder);
  await removeLeftovers(folder);
  for (const name of UNBEGUN) await rm(join(folder, name), { force: true });
  return folder;
}

async function checkUnused(folder: string): Promise<void> {
  const names: string[] = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw folderError(folder, error);
  });
  // Hidden files are locks, and what was not written to its end.
  const found = names.filter((name) => !isLockFile(name) && !(name.startsWith('.') && name.endsWith('.tmp')));
  const isRun = found.includes('run.json');
  if (isRun && found.every((name) => UNBEGUN.includes(name))) return;
  if (isRun)
    throw new UserError(
      `Expected a new or empty folder for --run, but ${folder} already holds a run; resume it with --resume ${quote(folder)}, or choose another folder`,
      2,
    );
  if (found.length > 0)
    throw new UserError(
      `Expected a new or empty folder for --run, but ${folder} has ${found.length} files in it; choose another`,
      2,
    );
}

export function folderError(folder: string, error: NodeJS.ErrnoException): UserError {
  const found = error.code === 'ENOTDIR' || error.code === 'EEXIST' ? 'it is a file' : error.code;
  return new UserError(
    `Expected --run ${folder} to be a folder to write to, but ${found}; choose another`,
    2,
  );
}

/** A new folder; another process may want the same name at the same moment. */
async function makeNamed(parent: string, name: string): Promise<string> {
  try {
    await mkdir(parent, { recursive: true });
    for (let i = 1; ; i++) {
      const folder = join(parent, i === 1 ? name : `${name}-${i}`);
      const isMade = await mkdir(folder).then(
        () => true,
        (error) => {
          if (error.code !== 'EEXIST') throw error;
          return false;
        },
      );
      if (isMade) return folder;
    }
  } catch (error) {
    throw folderError(parent, error as NodeJS.ErrnoException);
  }
}

function timestamp(): string {
  const now = new Date();
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace('T', '_').replaceAll(':', '-');
}

/** Rewrites the whole log, so that it never ends in half a line. */
export async function saveLog(folder: string, lines: string[]): Promise<void> {
  const text = lines.map((line) => `${line}\n`).join('');
  await saveFile(join(folder, 'metrics.jsonl'), text);
}

/**
 * The lines of the log up to a step; empty if there is no log.
 * @param onDamage receives a sentence about unreadable lines
 */
export async function readLog(
  folder: string,
  step: number,
  onDamage: (message: string) => void = () => {},
): Promise<LogLine[]> {
  const text = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line !== '');
  const read = parseLog(lines);
  const lost = lines.length - read.length;
  if (lost > 0)
    onDamage(`metrics.jsonl is damaged: ${lost} of ${lines.length} lines can't be read and are dropped`);
  return read.filter((line) => line.step <= step);
}

/** Parses the lines of a log; lines that are not ours or are truncated are dropped. */
export function parseLog(lines: string[]): LogLine[] {
  return lines.flatMap((line) => {
    try {
      const read: LogLine | null = JSON.parse(line);
      return typeof read?.type === 'string' && typeof read.step === 'number' ? [read] : [];
    } catch {
      return [];
    }
  });
}

/** Writes `run.json` with a checksum of its content. */
export async function saveDescription(folder: string, description: object): Promise<void> {
  await saveJson(folder, 'run.json', { ...description, checksum: checksumOf(description) });
}

/**
 * Reads `run.json`; older versions wrote none of today's checksum.
 * @returns its content, or the end of a sentence that says why it can't be used
 */
export async function readDescription(folder: string): Promise<Record<string, unknown> | string> {
  const text = await readFile(join(folder, 'run.json'), 'utf8').catch(
    (error: NodeJS.ErrnoException) => error,
  );
  if (text instanceof Error)
    return text.code === 'ENOENT' ? 'there is no run.json' : `run.json can't be read (${text.code})`;
  try {
    const { checksum, ...description } = JSON.parse(text);
    const isSound = checksum === undefined || checksum === checksumOf(description);
    if (isSound && description.options && typeof description.options === 'object') return description;
  } catch {
    // Said below.
  }
  return 'run.json is damaged or was changed';
}

function checksumOf(description: object): string {
  return createHash('sha256').update(JSON.stringify(description)).digest('hex');
}
