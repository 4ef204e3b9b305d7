/** CSV and TSV lists: what they mean, however they were saved, and what is refused. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { IMAGE_SIZE_LIMIT } from '../../src/data/image_names.ts';
import type { Listing, Part, SourceContext } from '../../src/data/part.ts';
import { parseSource, partsOf } from '../../src/data/sources/source.ts';
import { outcome, testFolder, write } from './made.ts';

const IMAGES = ['a.png', 'sub/b.jpg', 'sub/c d.png', 'ö,;".png', 'x'];

/** A list beside five images. */
function listed(name: string, text: string | Uint8Array): string {
  const folder = testFolder();
  write(folder, {
    ...Object.fromEntries(IMAGES.map((image) => [image, `GIF89a of ${image}`])),
    [name]: text,
  });
  return join(folder, name);
}

async function open(text: string, given: Partial<SourceContext> = {}): Promise<Part> {
  const context = {
    role: 'data',
    labelled: true,
    size: 8,
    cacheDir: join(testFolder(), 'cache'),
    ...given,
  } as const;
  const [part] = await partsOf(await parseSource(text), context);
  return part!;
}

/** "path label" of each image. */
function pairs({ names, labels, labelNames }: Listing): string[] {
  return names!.map((name, i) => `${name} ${labelNames[labels[i]!]?.value ?? '-'}`);
}

describe('the same list, saved in many ways', () => {
  const expected = ['a.png bird', 'sub/b.jpg not-bird', 'sub/c d.png bird'];
  test.each([
    ['commas', 'path,label\na.png,bird\nsub/b.jpg,not-bird\nsub/c d.png,bird\n'],
    ['no header', 'a.png,bird\nsub/b.jpg,not-bird\nsub/c d.png,bird'],
    ['no header, labels first', 'bird,a.png\nnot-bird,sub/b.jpg\nbird,sub/c d.png'],
    [
      'other names and columns',
      'id,Class,width,Image Path\n1,bird,8,a.png\n2,not-bird,8,sub/b.jpg\n3,bird,8,sub/c d.png\n',
    ],
    [
      'semicolons, CRLF and a byte order mark',
      '\ufefffile;label\r\na.png;bird\r\nsub/b.jpg;not-bird\r\nsub/c d.png;bird\r\n',
    ],
    [
      'quotes behind a byte order mark',
      '\ufeff"filename","label"\n"a.png","bird"\n"sub/b.jpg","not-bird"\n"sub/c d.png","bird"\n',
    ],
    ['quotes', '"filename","label"\n"a.png","bird"\n"sub/b.jpg","not-bird"\n"sub/c d.png","bird"\n'],
    ['spaces and empty lines', 'path,label\n\n a.png , bird \nsub/b.jpg,not-bird\n\n\nsub/c d.png,bird\n\n'],
    ['tabs', 'path\tlabel\na.png\tbird\nsub/b.jpg\tnot-bird\nsub/c d.png\tbird\n'],
    ['old line ends', 'path,label\ra.png,bird\rsub/b.jpg,not-bird\rsub/c d.png,bird\r'],
  ])('%s', async (_, text) => {
    for (const name of ['list.csv', 'list.TSV'])
      expect(pairs(await (await open(listed(name, text))).list())).toEqual(expected);
  });

  test('quoted commas, semicolons and quotes', async () => {
    const part = await open(listed('list.csv', 'path,label\n"ö,;"".png","a, b"\na.png,b\n'));
    expect(pairs(await part.list())).toEqual(['ö,;".png a, b', 'a.png b']);
  });
});

describe('what a list becomes', () => {
  test('bytes, names, stamps; an empty label is none; absolute paths are those of the user', async () => {
    const [path, elsewhere] = [listed('list.csv', ''), testFolder()];
    write(elsewhere, { 'e.png': 'GIF89a far' });
    const folder = join(path, '..');
    write(folder, { 'list.csv': `path,label\na.png,bird\nx,\n${elsewhere}/e.png,owl\nsub/../a.png,owl\n` });
    const part = await open(path);
    const listing = await part.list();
    expect(pairs(listing)).toEqual(['a.png bird', 'x -', `${elsewhere}/e.png owl`, 'sub/../a.png owl']);
    expect(part.nameOf('a.png')).toBe(join(folder, 'a.png'));
    expect(part.nameOf(`${elsewhere}/e.png`)).toBe(`${elsewhere}/e.png`);
    const texts: string[] = [];
    for await (const image of part.read(listing, (i) => i !== 1)) {
      texts.push('bytes' in image ? Buffer.from(image.bytes).toString() : image.problem);
    }
    expect(texts).toEqual(['GIF89a of a.png', 'GIF89a far', 'GIF89a of a.png']);
    expect(new Set(listing.stamps).size).toBe(3);
    expect(part.looseImages).toBe(true);
    expect((await part.pins!({ verify: false })).map(({ name }) => name)).toEqual(['list.csv']);
    write(folder, { 'a.png': 'changed' });
    const again = await (await open(path)).list();
    expect(again.stamps![1]).toBe(listing.stamps![1]);
    expect(again.stamps![0]).not.toBe(listing.stamps![0]);
  });

  test('what can not be used is skipped with a reason', async () => {
    const path = listed(
      'list.csv',
      'path,label\na.png,bird\ngone.png,bird\nsub,bird\npipe.png,bird\n./a.png,bird\nlarge.png,bird\n',
    );
    const folder = join(path, '..');
    execFileSync('mkfifo', [join(folder, 'pipe.png')]);
    write(folder, { 'large.png': '' });
    truncateSync(join(folder, 'large.png'), 2 ** 30);
    const { names, skipped } = await (await open(path)).list();
    expect(names).toEqual(['a.png']);
    expect(skipped.map(({ name, reason }) => `${name.slice(folder.length + 1)} ${reason}`)).toEqual([
      'gone.png is in the list, but there is no such file',
      'sub is not a file',
      'pipe.png is not a file',
      'a.png comes again in the list',
      `large.png is larger than ${IMAGE_SIZE_LIMIT / 2 ** 20} MB`,
    ]);
  });

  test('without labels for one kind of images, and the sides of a split', async () => {
    const plain = await open(listed('list.csv', 'a.png\nsub/b.jpg\n'), { role: 'birds', labelled: false });
    expect((await plain.list()).names).toEqual(['a.png', 'sub/b.jpg']);
    const path = listed(
      'list.csv',
      'path,label,split\na.png,bird,train\nsub/b.jpg,bird,val\nx,bird,\nsub/c d.png,owl,TRAIN\n',
    );
    expect((await (await open(`${path}?split=train`)).list()).names).toEqual(['a.png', 'sub/c d.png']);
    expect((await (await open(`${path}?split=test`)).list()).names).toEqual(['sub/b.jpg']);
    expect((await (await open(path)).list()).count).toBe(4);
  });
});

describe('what is refused', () => {
  const many = Array.from({ length: 12 }, (_, i) => `c${i}`).join(',');
  test.each([
    [
      'an address',
      'path,label\na.png,bird\nhttps://example.org/b.png,bird\n',
      '"PATH", line 3: expected the path of an image, but found the address "https://example.org/b.png"; fetch the images first, and list their files',
    ],
    [
      'a file address',
      'path,label\nfile:///etc/passwd,bird\n',
      '"PATH", line 2: expected the path of an image, but found the address "file:///etc/passwd"; fetch the images first, and list their files',
    ],
    [
      'data in place',
      'path,label\n"data:image/png;base64,AAAA",bird\n',
      '"PATH", line 2: expected the path of an image, but found the address "data:image/png;base64,AAAA"; fetch the images first, and list their files',
    ],
    [
      'no path',
      'path,label\na.png,bird\n,bird\n',
      '"PATH", line 3: expected the path of an image, but found nothing; fill it in, or remove the row',
    ],
    [
      'a row that ends before the path',
      'label,path\nbird,a.png\nbird\n',
      '"PATH", line 3: expected the path of an image, but found nothing; fill it in, or remove the row',
    ],
    [
      'control characters',
      'path,label\na\0.png,bird\n',
      '"PATH", line 2: expected the path of an image, but found control characters; correct it',
    ],
    [
      'no label',
      'path,width\na.png,3\n',
      'Expected a column "label" in "PATH", but found "path", "width"; add it, or use --birds and --not-birds',
    ],
    [
      'one column',
      'a.png\nx\n',
      'Expected a path and a label in each row of "PATH", but found "a.png"; add the labels',
    ],
    [
      'no known column',
      `${many}\n`,
      'Expected a column "path" and a column "label" in "PATH", but found "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", ...; name them so',
    ],
    [
      'a quote that does not end',
      'path,label\na.png,"bird\nsub/b.jpg,bird\n',
      '"PATH", line 3: the row has a quote where none may be, or one that does not end; correct it, or save the list again as CSV',
    ],
    [
      'a quote in the middle',
      'path,label\na.png,bi"rd\n',
      '"PATH", line 2: the row has a quote where none may be, or one that does not end; correct it, or save the list again as CSV',
    ],
    [
      'a row without end',
      `path,label\n${'x'.repeat(70_000)},bird\n`,
      '"PATH", line 2: the row has more than 65536 characters; correct it, or save the list again as CSV',
    ],
    ['nothing', '', 'Expected images in the list "PATH", but there are none'],
    ['only a header', 'path,label\n', 'Expected images in the list "PATH", but there are none'],
    [
      'UTF-16',
      Buffer.from('\ufeffpath,label\na.png,bird', 'utf16le'),
      'Expected a list in UTF-8, but "PATH" is in UTF-16; save it again as "CSV UTF-8"',
    ],
  ])('%s', async (_, text, message) => {
    const path = listed('list.csv', text);
    expect(await outcome(open(path).then((part) => part.list()))).toBe(
      `UserError: ${message.replace('PATH', path)}`,
    );
  });

  test('no image at all, a split that is not there, no list', async () => {
    const path = listed('list.csv', 'path,label\ngone.png,bird\n');
    const list = async (text: string) => outcome(open(text).then((part) => part.list()));
    expect(await list(path)).toBe(
      `UserError: Expected images in the list "${path}", but none of its 1 can be used (${join(path, '../gone.png')} is in the list, but there is no such file); paths are relative to the folder of the list`,
    );
    expect(await list(`${path}?split=test`)).toBe(
      `UserError: Expected a column "split" in "${path}", as ?split=test says, but found "path", "label"`,
    );
    expect(await list(`${path}.csv`)).toBe(`UserError: No such file: "${path}.csv"; check the path`);
    truncateSync(path, 2 ** 30);
    expect(await list(path)).toMatch(/^UserError: Expected a list of at most 512 MB/);
    mkdirSync(`${path}.tsv`);
    expect((await parseSource(`${path}.tsv`)).kind).toBe('folder');
  });

  test('Ctrl-C ends a long one', async () => {
    const path = listed('list.csv', `path,label\n${'a.png,bird\n'.repeat(5000)}`);
    const controller = new AbortController();
    const listing = (await open(path)).list(controller.signal);
    setImmediate(() => controller.abort(new Error('enough')));
    expect(await outcome(listing)).toBe('Error: enough');
  });
});
