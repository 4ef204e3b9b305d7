/** One build at a time in one folder. */
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import process from 'node:process';
import { read, say } from './shell.mjs';

const POLL_MS = 200;
/** For a holder on another machine, or a process id that has been reused. */
const LONGEST_BUILD_MS = 30 * 60 * 1000;

/**
 * Runs `work` while no other process that asks for the same lock does.
 * @template T
 * @param {string} path of the lock file
 * @param {() => T} work
 */
export function withBuildLock(path, work) {
  mkdirSync(dirname(path), { recursive: true });
  for (let waited = false; !take(path); waited = true) {
    if (!waited) say(`waiting for another setup (${holder(path)})`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
    if (isStale(path)) rmSync(path, { force: true });
  }
  try {
    return work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** @param {string} path */
function take(path) {
  try {
    const file = openSync(path, 'wx');
    writeSync(file, `process ${process.pid} on ${hostname()}`);
    closeSync(file);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/** @param {string} path */
function holder(path) {
  return read(path) || 'just started';
}

/** @param {string} path */
function isStale(path) {
  const [, pid, host] = /^process (\d+) on (.*)$/.exec(read(path)) ?? [];
  const { mtimeMs = Date.now() } = statSync(path, { throwIfNoEntry: false }) ?? {};
  const isDead = pid !== undefined && host === hostname() && !isAlive(Number(pid));
  return isDead || Date.now() - mtimeMs > LONGEST_BUILD_MS;
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}
