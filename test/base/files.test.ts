import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { saveFile } from '../../src/base/files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'birbs-files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('replaces a file whole and leaves nothing beside it', async () => {
  const path = join(folder, 'a.json');
  await saveFile(path, 'long text');
  await saveFile(path, Uint8Array.of(1, 2));
  expect([...readFileSync(path)]).toEqual([1, 2]);
  expect(readdirSync(folder)).toEqual(['a.json']);
});

test('a folder that is not there is named', async () => {
  const path = join(folder, 'gone', 'a.json');
  await expect(saveFile(path, 'x')).rejects.toThrow(
    `Could not save ${path}: ENOENT; choose a folder that is writable`,
  );
});

test('a target that can not be replaced leaves no temporary file', async () => {
  const path = join(folder, 'taken');
  mkdirSync(join(path, 'inside'), { recursive: true });
  await expect(saveFile(path, 'x')).rejects.toThrow(`Could not save ${path}`);
  expect(readdirSync(folder)).toEqual(['taken']);
});

describe('a full disk', () => {
  const files = fileURLToPath(new URL('../../src/base/files.ts', import.meta.url));
  const root = fileURLToPath(new URL('../..', import.meta.url));

  /** Writes 3 MB over a good file where only 2 MB fit, in a process of its own; returns what it said. */
  function overfill(path: string, before = ''): string {
    const script = join(folder, 'write.mts');
    writeFileSync(
      script,
      `import { saveFile } from ${JSON.stringify(files)};
       process.on('SIGXFSZ', () => {});
       await saveFile(process.argv[2], new Uint8Array(3e6)).then(
         () => console.log('written'),
         (error) => console.log(error.name + ': ' + error.message),
       );`,
    );
    const command = `${before}exec "$0" --import tsx "$1" "$2"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', command, process.execPath, script, path], {
      cwd: root,
      encoding: 'utf8',
    });
    return stdout + stderr;
  }

  function expectIntact(path: string, answer: string) {
    expect(answer.trim()).toBe(
      `UserError: Could not save ${path}: the disk is full (3.0 MB were needed); files saved before are intact; free some space and try again`,
    );
    expect(readFileSync(path, 'utf8')).toBe('good');
    expect(readdirSync(join(path, '..'))).toEqual(['last.safetensors']);
  }

  test('keeps the good file and says which one failed', () => {
    const mount = join(folder, 'small');
    mkdirSync(mount);
    const path = join(mount, 'last.safetensors');
    let mounted = false;
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount], { stdio: 'pipe' });
      mounted = true;
    } catch {
      console.log(
        'No small tmpfs can be mounted here: a limit on the size of files stands for the full disk.',
      );
    }
    try {
      writeFileSync(path, 'good');
      expectIntact(path, overfill(path, mounted ? '' : 'ulimit -f 2048; '));
    } finally {
      if (mounted) execFileSync('umount', [mount]);
    }
  });
});
