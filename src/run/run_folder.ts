/** The folder of a run. */
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { saveFile } from '../base/files.ts';
import { quote } from '../base/words.ts';

/**
 * Makes the folder of a run.
 * @param path a new or empty folder; absent: `runs/<date and time>`
 * @throws UserError with exit code 2 when there is something in it
 */
export async function createRunFolder(path: string | undefined): Promise<string> {
  const folder = path ?? (await freeName(join('runs', timestamp())));
  const found: string[] = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw folderError(folder, error);
  });
  if (found.includes('run.json'))
    throw new UserError(
      `Expected a new or empty folder for --run, but ${folder} holds a run; go on with it by --resume ${quote(folder)}, or choose another`,
      2,
    );
  if (found.length > 0)
    throw new UserError(
      `Expected a new or empty folder for --run, but ${folder} has ${found.length} files in it; choose another`,
      2,
    );
  await mkdir(folder, { recursive: true }).catch((error) => {
    throw folderError(folder, error);
  });
  return folder;
}

function folderError(folder: string, error: NodeJS.ErrnoException): UserError {
  const found = error.code === 'ENOTDIR' || error.code === 'EEXIST' ? 'it is a file' : error.code;
  return new UserError(
    `Expected --run ${folder} to be a folder to write to, but ${found}; choose another`,
    2,
  );
}

async function freeName(name: string): Promise<string> {
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? name : `${name}-${i}`;
    if (!(await stat(candidate).catch(() => undefined))) return candidate;
  }
}

function timestamp(): string {
  const now = new Date();
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace('T', '_').replaceAll(':', '-');
}

/** The weights file of the newest run in `runs`, or undefined. */
export async function newestWeights(runs = 'runs'): Promise<string | undefined> {
  const names = await readdir(runs).catch(() => []);
  const files = await Promise.all(
    names.map(async (name) => {
      const path = join(runs, name, 'best.safetensors');
      return { path, time: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 };
    }),
  );
  return files.filter(({ time }) => time > 0).sort((a, b) => b.time - a.time)[0]?.path;
}

/** Writes all lines of the log anew: the file never ends in half a line. */
export async function saveLog(folder: string, lines: string[]): Promise<void> {
  const text = lines.map((line) => `${line}\n`).join('');
  await saveFile(join(folder, 'metrics.jsonl'), text);
}

/** Removes what a process that was killed had not finished writing. */
export async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const unfinished = names.filter((name) => /\.\d+\.tmp$/.test(name));
  await Promise.all(unfinished.map((name) => rm(join(folder, name), { force: true })));
}

/** The lines of the log up to a step, as they were written; none where there is no log. */
export async function readLog(folder: string, step: number): Promise<unknown[]> {
  const text = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line !== '');
  const read = lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as { type?: unknown; step?: unknown } | null];
    } catch {
      // Written by something else, or cut off as it was copied: ours is whole or not there.
      return [];
    }
  });
  return read.filter(
    (line) => typeof line?.type === 'string' && typeof line.step === 'number' && line.step <= step,
  );
}
