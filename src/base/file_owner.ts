/** Which process a file belongs to, by its name, and whether that process still runs. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync, rmSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Scope of process ids: this machine, and on Linux this PID namespace (container). */
const host = shortHash(`${hostname()} ${processSpace()}`);

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

function processSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** Placeholder for an unknown start time. */
const UNKNOWN = '00000000';

/**
 * Hash of a process's start time, since process ids are reused, in particular after a reboot. Undefined if the process
 * does not exist or is a zombie.
 */
function birthOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  try {
    const [state, start] = process.platform === 'linux' ? startOnLinux(pid) : startByPs(pid);
    return state.startsWith('Z') ? undefined : shortHash(start);
  } catch {
    return UNKNOWN;
  }
}

function startOnLinux(pid: number): [state: string, start: string] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The program's name, in parentheses, may contain any character.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return [fields[0]!, `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')} ${fields[19]}`];
}

function startByPs(pid: number): [state: string, start: string] {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  const text = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { env, encoding: 'utf8' });
  const [, state, start] = /^\s*(\S+)\s+(.*?)\s*$/.exec(text)!;
  return [state!, start!];
}

let ownTag: string | undefined;

/** Suffix of the names of files that belong to a process: host, process id and start time. An extension may follow. */
export function ownerTag(pid = process.pid): string {
  const make = () => `${host}-${pid}-${birthOf(pid) ?? UNKNOWN}`;
  if (pid !== process.pid) return make();
  ownTag ??= make();
  return ownTag;
}

const TAG = /-([0-9a-f]{8})-(\d{1,9})-([0-9a-f]{8})(?:\.\w+)?$/;

/** A unique file name that contains the {@link ownerTag} of this process. */
export function newName(): string {
  return `${Date.now().toString(36)}-${randomBytes(4).toString('hex')}-${ownerTag()}`;
}

/** The id of the process that a file name belongs to, and whether it is a process of this machine. */
export function ownerOf(name: string): { pid: number; isHere: boolean } | undefined {
  const [, ownHost, pid] = TAG.exec(name) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), isHere: ownHost === host };
}

export const DAY_MS = 24 * 3600 * 1000;

/**
 * Whether the process that a file or folder belongs to no longer runs. For a process on another machine, or a name
 * without a process, the age of the file decides.
 * @param silentMs time since the file was last touched
 * @param foreignMs the age from which the file of such a process counts as abandoned
 */
export function isAbandoned(name: string, silentMs: number, foreignMs = DAY_MS): boolean {
  const [, ownHost, pid, birth] = TAG.exec(name) ?? [];
  if (ownHost !== host) return silentMs > foreignMs;
  const found = birthOf(Number(pid));
  return found === undefined || (found !== birth && found !== UNKNOWN && birth !== UNKNOWN);
}

/** Milliseconds since a file was last touched; 0 when it is gone. */
export async function silenceOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found ? Date.now() - found.mtimeMs : 0;
}

/**
 * Removes temporary files (`.NAME.tmp`) of dead processes from a folder, and abandoned files for which `isOrphan` holds.
 * @param foreignMs see {@link isAbandoned}
 * @returns the names of the remaining files
 */
export async function removeLeftovers(
  folder: string,
  isOrphan: (name: string) => boolean = () => false,
  foreignMs = DAY_MS,
): Promise<string[]> {
  const names: string[] = await readdir(folder).catch(() => []);
  const isRemoved = async (name: string) => {
    const isTemporary = name.startsWith('.') && name.endsWith('.tmp') && TAG.test(name);
    if (!isTemporary && !isOrphan(name)) return false;
    if (!isAbandoned(name, await silenceOf(join(folder, name)), foreignMs)) return false;
    await rm(join(folder, name), { recursive: true, force: true });
    return true;
  };
  const removed = await Promise.all(names.map(isRemoved));
  return names.filter((_, i) => !removed[i]);
}

const untilExit = new Set<string>();

/** Removes a file when this process exits (not when it is killed). Returns a function that cancels this. */
export function removeAtExit(path: string): () => void {
  if (untilExit.size === 0) process.on('exit', removeAll);
  untilExit.add(path);
  return () => {
    untilExit.delete(path);
    if (untilExit.size === 0) process.off('exit', removeAll);
  };
}

function removeAll(): void {
  for (const path of untilExit) rmSync(path, { force: true });
}
