/** A data set on Kaggle, by version: its archive, fetched once. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { Room } from '../cache/cache_budget.ts';
import { fileSum, lastSum } from '../cache/checksums.ts';
import { ask } from '../hub/http.ts';
import { HubFailure } from '../hub/http_failure.ts';
import { retrying } from '../hub/retry.ts';
import { download } from '../kaggle/kaggle_download.ts';
import { explain } from '../kaggle/kaggle_failure.ts';
import { type KaggleSettings, kaggleSettings } from '../kaggle/kaggle_settings.ts';
import type { Part, Source, SourceContext } from '../part.ts';
import { archivePart } from './archive_source.ts';

/** Largest size of Kaggle's description of a data set. */
const VIEW_SIZE_LIMIT = 4 * 2 ** 20;

/**
 * The parts of the source: one, of the version in its name, else of the one that is pinned, else of the newest.
 * @throws UserError, with where to get a key when one is missing
 */
export async function kaggleParts({ path, split, label }: Source, context: SourceContext): Promise<Part[]> {
  const { owner, name, version: given } = parse(path);
  const settings = kaggleSettings();
  const { cacheDir, room = new Room(cacheDir) } = context;
  const folder = join(cacheDir, 'kaggle', owner, name);
  const dataset = `${owner}/${name}`;
  try {
    const version = given ?? context.revision ?? (await newest(dataset, folder, context, settings));
    const archive = join(folder, `${version}.zip`);
    const shown = `kaggle:${dataset}@${version}`;
    const address = `${settings.endpoint}/api/v1/datasets/download/${dataset}?datasetVersionNumber=${version}`;
    const wanted = { address, target: archive, name: shown };
    const file = heldFile(room, archive, () =>
      download({ ...context, ...wanted, onGrow: room.growing(shown) }, settings).catch((error) => {
        throw explain(error, path, settings);
      }),
    );
    const pins: Part['pins'] = async (options) => {
      const isThere = (await stat(archive).catch(() => null)) !== null;
      // It gave way to others, and is not needed while what was unpacked of it is there.
      const last = isThere || options.verify ? undefined : await lastSum(archive, cacheDir);
      if (!last) await file.open();
      const sum = last ?? (await fileSum(archive, cacheDir, options));
      return [{ name: `${version}.zip`, ...sum, revision: version }];
    };
    const remote = { stamp: shown, fetch: file.open };
    const part = archivePart(archive, { key: shown, remote, name: shown, split, label, context, pins });
    const close = async () => {
      await part.close?.();
      await file.close();
    };
    return [{ ...part, close }];
  } catch (error) {
    throw explain(error, path, settings);
  }
}

/** A file that another may evict while it is not open. */
interface HeldFile {
  open(): Promise<void>;
  close(): Promise<void>;
}

/** @param fetch brings it back, if it is not there */
function heldFile(room: Room, path: string, fetch: () => Promise<void>): HeldFile {
  let release: (() => Promise<void>) | undefined;
  const close = async () => {
    await release?.();
    release = undefined;
  };
  const open = async () => {
    release ??= await room.hold(path);
    try {
      await fetch();
    } catch (error) {
      await close();
      throw error;
    }
  };
  return { open, close };
}

function parse(path: string): { owner: string; name: string; version?: string } {
  const word = '[A-Za-z0-9][A-Za-z0-9_-]{0,99}';
  const [, owner, name, version] = new RegExp(`^(${word})/(${word})(?:@([1-9]\\d{0,8}))?$`).exec(path) ?? [];
  if (owner && name) return { owner, name, version };
  throw new UserError(
    `Expected kaggle:OWNER/NAME or kaggle:OWNER/NAME@VERSION, but found "kaggle:${path}"; take both from the address of the data set's page`,
    2,
  );
}

/** The number of the newest version; without a network that of the newest in the cache. */
async function newest(
  dataset: string,
  folder: string,
  { signal, onProgress }: SourceContext,
  settings: KaggleSettings,
): Promise<string> {
  const fetched = (await readdir(folder).catch(() => [])).map((name) =>
    Number(/^(\d+)\.zip$/.exec(name)?.[1] ?? 0),
  );
  const last = Math.max(0, ...fetched);
  const onNote = (note: string) => onProgress?.({ stage: 'resolve', file: `kaggle:${dataset}`, note });
  try {
    const options = { pauseMs: settings.pauseMs, impatient: last > 0, signal, onNote };
    return await retrying(() => currentVersion(dataset, settings, signal), options);
  } catch (error) {
    if (last === 0 || !(error instanceof HubFailure) || !error.facts.unreachable) throw error;
    onNote(
      `${error.facts.host} ${error.message}; kaggle:${dataset} is taken as version ${last}, which is in the cache`,
    );
    return String(last);
  }
}

async function currentVersion(
  dataset: string,
  settings: KaggleSettings,
  signal?: AbortSignal,
): Promise<string> {
  const answer = await ask(`${settings.endpoint}/api/v1/datasets/view/${dataset}`, { signal }, settings);
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of answer.chunks()) {
    size += piece.length;
    if (size > VIEW_SIZE_LIMIT) break;
    pieces.push(piece);
  }
  const version = versionIn(Buffer.concat(pieces).toString());
  if (version !== undefined) return version;
  throw new HubFailure('does not say which version is the newest', { passing: false, host: answer.url.host });
}

function versionIn(text: string): string | undefined {
  try {
    const { currentVersionNumber } = JSON.parse(text);
    return Number.isSafeInteger(currentVersionNumber) && currentVersionNumber > 0
      ? `${currentVersionNumber}`
      : undefined;
  } catch {
    return undefined;
  }
}
