/** Running commands, and saying what is done. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { root } from './addon_place.mjs';

/** What the user has to do before the setup can go on: one sentence. */
export class SetupError extends Error {}

/** @param {string} line */
export function say(line) {
  // On stderr: `--ui json` promises that stdout holds nothing but JSON.
  process.stderr.write(`setup: ${line}\n`);
}

/**
 * Runs a command and returns its output.
 * @param {string} command
 * @param {string[]} args
 */
export function run(command, args, env = {}) {
  const done = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
    stdio: ['inherit', 'pipe', 'pipe'],
  });
  return { ok: done.status === 0, output: `${done.stdout ?? ''}${done.stderr ?? ''}${done.error ?? ''}` };
}

/** @param {string} command */
export function has(command) {
  return run(command, ['--version']).ok;
}

/**
 * The text of a file, or nothing.
 * @param {string} path
 */
export function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** @param {string[]} paths */
export function sha256(paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const bytes = readFileSync(path);
    hash.update(`${path.slice(root.length)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/** @param {string} folder @returns {string[]} */
export function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    })
    .sort();
}
