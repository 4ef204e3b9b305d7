/** Images in class folders: never overwritten, moved when a person changes their mind, taken out again. */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClassFolders } from '../../src/filing/class_folders.ts';
import { imageFileName } from '../../src/filing/file_names.ts';
import { filesBelow } from '../../src/setup/shell.mjs';
import { temporaryFolder } from '../images.ts';

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1]);
const OTHER = Buffer.concat([PNG, Buffer.from([2])]);

let home: string;
let folder: string;
beforeEach(() => {
  home = temporaryFolder('filing');
  folder = join(home, 'corrections');
});
afterEach(() => rmSync(home, { recursive: true }));

const open = () => ClassFolders.open(folder, 'corrections.jsonl');
const files = () =>
  (filesBelow(folder) as string[])
    .map((path) => path.slice(folder.length + 1))
    .filter((name) => !name.endsWith('.jsonl'))
    .sort();

describe('ClassFolders', () => {
  test('an image goes to the folder of its label; one of the same name gets a number', async () => {
    const folders = await open();
    expect(await folders.save('bird', 'a.png', PNG)).toEqual({ file: 'bird/a.png', isNew: true });
    expect(await folders.save('bird', 'a.png', OTHER)).toEqual({ file: 'bird/a-2.png', isNew: true });
    expect(await folders.save('bird', 'other.png', PNG)).toEqual({ file: 'bird/a.png', isNew: false });
    expect(readFileSync(join(folder, 'bird/a.png'))).toEqual(PNG);
    expect([files(), folders.count]).toEqual([['bird/a-2.png', 'bird/a.png'], 2]);
  });

  test('a file that a person put there stays', async () => {
    mkdirSync(join(folder, 'bird'), { recursive: true });
    writeFileSync(join(folder, 'bird/a.png'), 'mine');
    const folders = await open();
    expect((await folders.save('bird', 'a.png', PNG)).file).toBe('bird/a-2.png');
    expect(readFileSync(join(folder, 'bird/a.png'), 'utf8')).toBe('mine');
    await folders.undo();
    expect(files()).toEqual(['bird/a.png']);
  });

  test('the same image under another label is moved, and undo moves it back', async () => {
    const folders = await open();
    await folders.save('bird', 'a.png', PNG);
    expect(await folders.save('not-bird', 'b.png', PNG)).toEqual({ file: 'not-bird/a.png', isNew: true });
    expect([files(), folders.count]).toEqual([['not-bird/a.png'], 1]);
    expect(await folders.undo()).toBe('not-bird/a.png');
    expect(files()).toEqual(['bird/a.png']);
    expect([await folders.undo(), files(), await folders.undo()]).toEqual(['bird/a.png', [], undefined]);
  });

  test('another process knows what is there, and takes back its own only', async () => {
    await (await open()).save('bird', 'a.png', PNG);
    const next = await open();
    expect([next.count, await next.undo()]).toEqual([1, undefined]);
    expect(await next.save('not-bird', 'a.png', PNG)).toMatchObject({ file: 'not-bird/a.png' });
    expect((await open()).count).toBe(1);
  });

  test('what was changed since is not removed', async () => {
    const folders = await open();
    await folders.save('bird', 'a.png', PNG);
    writeFileSync(join(folder, 'bird/a.png'), 'edited by hand');
    await expect(folders.undo()).rejects.toThrow(
      /^Expected .*a\.png as it was saved, but it has been changed/,
    );
    expect(files()).toEqual(['bird/a.png']);
  });

  test('calls at the same time', async () => {
    const folders = await open();
    const images = Array.from({ length: 20 }, (_, i) => Buffer.concat([PNG, Buffer.from([i])]));
    const filed = await Promise.all(images.map((bytes) => folders.save('bird', 'a.png', bytes)));
    expect(new Set(filed.map(({ file }) => file)).size).toBe(20);
    for (const [i, { file }] of filed.entries()) expect(readFileSync(join(folder, file))).toEqual(images[i]);
  });

  test.each(['../up', 'a/b', '.hidden', '', ' x', '__MACOSX'])('the label %j is no folder', async (label) => {
    await expect((await open()).save(label, 'a.png', PNG)).rejects.toThrow(/^Expected a class that can be/);
    expect(readdirSync(home)).toEqual([]);
  });

  test('a journal with damaged lines keeps the others', async () => {
    await (await open()).save('bird', 'a.png', PNG);
    writeFileSync(join(folder, 'corrections.jsonl'), 'half a li\n[1]\n{"file":3}\n', { flag: 'a' });
    expect((await open()).count).toBe(1);
  });

  test('copies and links of files, all taken back', async () => {
    const source = join(home, 'a.png');
    writeFileSync(source, PNG);
    const folders = await open();
    await folders.place('bird', source, false);
    const other = join(home, 'other/a.png');
    mkdirSync(join(home, 'other'));
    writeFileSync(other, OTHER);
    await folders.place('bird', other, true);
    expect(await folders.place('bird', source, false)).toEqual({ file: 'bird/a.png', isNew: false });
    expect(files()).toEqual(['bird/a-2.png', 'bird/a.png']);
    expect(readlinkSync(join(folder, 'bird/a-2.png'))).toBe(other);
    writeFileSync(join(folder, 'bird/mine.png'), 'mine');
    expect(await (await open()).undoAll()).toEqual({ removed: 2, kept: [] });
    expect([files(), readFileSync(source)]).toEqual([['bird/mine.png'], PNG]);
  });

  test('after all is taken back nothing is left', async () => {
    const folders = await open();
    await folders.save('bird', 'a.png', PNG);
    await folders.undoAll();
    expect(readdirSync(home)).toEqual([]);
  });
});

test.each([
  ['photo.JPG', 'photo.JPG'],
  ['../../etc/passwd', 'passwd.png'],
  ['C:\\Users\\x\\a.png', 'a.png'],
  ['.hidden.png', 'hidden.png'],
  ['a\u0000b\u202e\n.png', 'a_b__.png'],
  ['notes.txt', 'notes.txt.png'],
  ['', 'image.png'],
  ['a<b>:"|?*.gif', 'a_b______.gif'],
  [`${'ä'.repeat(300)}.png`, `${'ä'.repeat(60)}.png`],
])('%j is saved as %s', (name, saved) => {
  expect(imageFileName(name, PNG)).toBe(saved);
});
