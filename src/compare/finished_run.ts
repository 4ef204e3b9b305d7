/** A finished run, read from its folder. */
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { UserError } from '../base/errors.ts';
import type { RunDescription } from '../run/run_description.ts';
import { readDescription, readLog } from '../run/run_folder.ts';
import type { Results } from '../training/results.ts';
import type { EpochEvent } from '../training/training_events.ts';

export interface FinishedRun {
  folder: string;
  /** Of the folder; with its parents where two have the same. */
  name: string;
  description: RunDescription;
  results: Results;
  epochs: EpochEvent[];
}

/** @throws UserError when a folder holds no run that has ended */
export async function readRuns(folders: string[]): Promise<FinishedRun[]> {
  const names = namesOf(folders);
  return Promise.all(folders.map((folder, i) => readRun(folder, names[i]!)));
}

async function readRun(folder: string, name: string): Promise<FinishedRun> {
  const description = await readDescription(folder);
  if (typeof description === 'string')
    throw new UserError(`Expected ${folder} to be a run folder, but ${description}`, 2);
  const text = await readFile(join(folder, 'results.json'), 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new UserError(
      `Expected ${folder} to hold a run that has ended, but there is no results.json; wait for it, or resume it`,
    );
  const results = parseResults(text, folder);
  const lines = await readLog(folder, Number.POSITIVE_INFINITY);
  const epochs = lines.filter((line) => line.type === 'epoch');
  return { folder, name, description: description as unknown as RunDescription, results, epochs };
}

function parseResults(text: string, folder: string): Results {
  try {
    const results = JSON.parse(text);
    if (Array.isArray(results.classNames) && 'best' in results) return results;
  } catch {
    // Said below.
  }
  throw new UserError(`Expected the results of a run in ${join(folder, 'results.json')}, but it is damaged`);
}

/** The shortest suffixes of the paths that are unique. */
function namesOf(folders: string[]): string[] {
  const paths = folders.map((folder) => resolve(folder).split('/'));
  for (let parts = 1; ; parts++) {
    const names = paths.map((path) => path.slice(-parts).join('/'));
    if (new Set(names).size === folders.length) return names;
    if (parts > Math.max(...paths.map(({ length }) => length)))
      return folders.map((folder) => basename(folder));
  }
}
