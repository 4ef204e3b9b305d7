/** Archives: what other programs packed is unpacked, what is hostile is refused, and nothing else is ever written. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ownerTag } from '../../src/base/file_owner.ts';
import type { Listing, Part, SourceContext } from '../../src/data/part.ts';
import { archiveParts } from '../../src/data/sources/archive_source.ts';
import { parseSource } from '../../src/data/sources/source.ts';
import { outcome, testFolder, write } from './made.ts';
import { tarGzOf, tarOf, type ZipEntry, zipOf } from './made_archives.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/archives/${name}`, import.meta.url));

async function partOf(text: string, cacheDir: string, given: Partial<SourceContext> = {}): Promise<Part> {
  const context = { role: 'data', labelled: true, size: 8, cacheDir, ...given } as const;
  const [part] = await archiveParts(await parseSource(text), context);
  onTestFinished(() => part!.close?.());
  return part!;
}

/** Writes an archive beside a cache, and opens it. */
async function archive(
  name: string,
  bytes: Uint8Array,
  given: Partial<SourceContext> = {},
): Promise<{ part: Part; path: string; cache: string }> {
  const folder = testFolder();
  write(folder, { [name]: bytes });
  const path = join(folder, name);
  const cache = join(folder, 'cache');
  return { part: await partOf(path, cache, given), path, cache };
}

/** The texts of all images by name. */
async function read(part: Part, listing: Listing): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for await (const image of part.read(listing, () => true)) {
    const name = listing.names![image.index]!;
    texts[name] = 'bytes' in image ? Buffer.from(image.bytes).toString() : image.problem;
  }
  return texts;
}

async function contents(name: string, bytes: Uint8Array): Promise<Record<string, string>> {
  const { part } = await archive(name, bytes);
  return read(part, await part.list());
}

const LONG = `bird/${'l'.repeat(120)}/c.png`;

describe('what other programs packed', () => {
  // Made with GNU tar 1.34, Info-ZIP 3.0 and Python's zipfile with its limits lowered until it writes zip64.
  const all = {
    'bird/a.png': 'robin',
    'bird/Zaunkönig.png': 'wren',
    [LONG]: 'long',
    'not-bird/größe/b.jpg': 'stone',
  };
  const { [LONG]: _, ...short } = all;
  const { 'bird/Zaunkönig.png': __, ...old } = short;
  test.each([
    ['gnu.tar.gz', all, ['hard.png is a hard link', 'link.png is a symbolic link']],
    ['pax.tar.gz', all, ['hard.png is a hard link', 'link.png is a symbolic link']],
    ['v7.tar.gz', old, []],
    ['infozip.zip', all, ['link.png is a symbolic link']],
    ['zip64.zip', short, []],
  ])('%s', async (name, expected, links) => {
    const part = await partOf(fixture(name), join(testFolder(), 'cache'));
    const listing = await part.list();
    expect(await read(part, listing)).toEqual(expected);
    expect(listing.labelNames.map(({ value }) => value)).toEqual(['bird', 'not-bird']);
    expect(listing.skipped).toEqual(
      links.map((link) => {
        const [file, ...reason] = link.split(' ');
        return { name: `${fixture(name)}/bird/${file}`, reason: reason.join(' ') };
      }),
    );
    expect(part.nameOf(listing.names![0]!)).toBe(`${fixture(name)}/${listing.names![0]}`);
  });

  test('an encrypted zip says what to do', async () => {
    const part = await partOf(fixture('encrypted.zip'), join(testFolder(), 'cache'));
    expect(await outcome(part.list())).toBe(
      `UserError: "${fixture('encrypted.zip')}" is encrypted; unpack it with its password and name the folder`,
    );
  });
});

describe('what an archive becomes', () => {
  const PNG = '\x89PNG\r\n\x1a\n';
  const files: [string, string | Uint8Array][] = [
    ['set/bird/a.png', 'one'],
    ['set/bird/deep/b.jpg', 'two'],
    ['set/not-bird/c.jpg', 'three'],
    ['set/not-bird/bare', Buffer.from(PNG, 'latin1')],
    ['set/not-bird/no-image', 'text'],
    ['set/stray.png', 'four'],
    ['set/read.me', 'x'],
    ['set/more.zip', 'PK'],
    ['set/bird/.hidden.png', 'x'],
    ['__MACOSX/set/bird/a.png', 'x'],
  ];

  test.each([
    ['a.tar', () => tarOf(files)],
    ['a.tgz', () => tarGzOf(files)],
    ['a.zip', async () => zipOf(files)],
    // The first bytes say what it is.
    ['a.tar.gz', async () => zipOf(files)],
    ['a.zip', () => tarGzOf(files)],
  ])('%s: a single folder at the top is entered, what is no image is counted', async (name, bytes) => {
    const { part, path, cache } = await archive(name, await bytes());
    const listing = await part.list();
    expect(listing.names).toEqual([
      'set/bird/a.png',
      'set/bird/deep/b.jpg',
      'set/not-bird/bare',
      'set/not-bird/c.jpg',
    ]);
    expect([...listing.labels]).toEqual([0, 0, 1, 1]);
    expect(listing.skipped).toEqual([
      { name: `${path}/set/stray.png`, reason: 'lies outside the class folders' },
    ]);
    expect(listing.ignored).toBe(3);
    expect((await read(part, listing))['set/bird/deep/b.jpg']).toBe('two');
    // Again from the cache, after it was closed.
    await part.close!();
    expect(await (await partOf(path, cache)).list()).toEqual(listing);
    expect((await read(part, listing))['set/bird/a.png']).toBe('one');
    const all = await (await partOf(path, cache, { role: 'birds', labelled: false })).list();
    expect(all.names).toContain('set/stray.png');
  });

  test('it is read once; what changed is unpacked anew, what was packed anew has the same stamps', async () => {
    const steps: string[] = [];
    const onProgress: SourceContext['onProgress'] = ({ stage, bytes, totalBytes, done }) => {
      steps.push(`${stage} ${bytes}/${totalBytes} ${done}`);
    };
    const bytes = await tarGzOf([
      ['bird/a.png', 'one'],
      ['not-bird/b.png', 'two'],
    ]);
    const { part, path, cache } = await archive('a.tar.gz', bytes, { onProgress });
    const listing = await part.list();
    expect(steps.at(-1)).toBe(`unpack ${bytes.length}/${bytes.length} 2`);
    steps.length = 0;
    await (await partOf(path, cache, { onProgress })).list();
    expect(steps).toEqual([]);
    writeFileSync(
      path,
      await tarGzOf([
        ['not-bird/b.png', 'two'],
        ['bird/a.png', 'new'],
      ]),
    );
    const again = await (await partOf(path, cache, { onProgress })).list();
    expect(steps.length).toBeGreaterThan(0);
    expect(again.stamps![1]).toBe(listing.stamps![1]);
    expect(again.stamps![0]).not.toBe(listing.stamps![0]);
    expect(await part.pins!({ verify: false })).toEqual([
      { name: 'a.tar.gz', size: readFileSync(path).length, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });

  test('train and test folders are sides of a split', async () => {
    const bytes = zipOf(
      [
        'set/train/bird/a.png',
        'set/train/not-bird/b.png',
        'set/valid/bird/c.png',
        'set/valid/not-bird/d.png',
      ].map((name) => [name, name]),
    );
    const { part, path, cache } = await archive('a.zip', bytes);
    expect(await outcome(part.list())).toBe(
      `UserError: Expected a folder for each class in "${path}/set", but found train and valid; ` +
        `say "${path}?split=train", and ?split=test after --val`,
    );
    const train = await (await partOf(`${path}?split=train`, cache)).list();
    expect(train.names).toEqual(['set/train/bird/a.png', 'set/train/not-bird/b.png']);
    expect(train.labelNames.map(({ value }) => value)).toEqual(['bird', 'not-bird']);
    const birds = { role: 'birds', labelled: false } as const;
    const held = await (await partOf(`${path}?split=test`, cache, birds)).list();
    expect(held.names).toEqual(['set/valid/bird/c.png', 'set/valid/not-bird/d.png']);
    expect(held.skipped).toEqual([]);
  });

  test.each([
    [
      'a.zip',
      zipOf([
        ['notes.txt', 'x'],
        ['more.tar.gz', 'x'],
      ]),
      'but found none among 2 files, 1 of them archives; unpack it and name an archive in it',
    ],
    ['a.zip', zipOf([]), 'but found nothing; put one folder of images a class in it'],
    ['a.tar', Buffer.alloc(10240), 'but the archive is empty'],
  ])('%s without images: %#', async (name, bytes, message) => {
    const { part, path } = await archive(name, bytes);
    expect(await outcome(part.list())).toBe(`UserError: Expected images in "${path}", ${message}`);
  });

  test('images that lie in it directly are no classes', async () => {
    const { part, path } = await archive(
      'a.zip',
      zipOf([
        ['a.png', 'x'],
        ['b.png', 'y'],
      ]),
    );
    expect(await outcome(part.list())).toMatch(
      `Expected a folder for each class in "${path}", but its 2 images`,
    );
  });
});

describe('hostile names and kinds', () => {
  const names: [string, string][] = [
    ['../evil.png', 'has a path that leads out of the archive'],
    ['bird/../../evil.png', 'has a path that leads out of the archive'],
    ['..\\..\\evil.png', 'has a path that leads out of the archive'],
    ['/tmp/evil.png', 'has an absolute path'],
    ['\\\\host\\evil.png', 'has an absolute path'],
    ['C:\\evil.png', 'has an absolute path'],
    ['bird/nul\0.png', 'has control characters in its name'],
    ['bird/esc\x1b[2J.png', 'has control characters in its name'],
    [`bird/${'x'.repeat(300)}.png`, 'has a name that is too long'],
    [`${'bird/'.repeat(900)}a.png`, 'has a name that is too long'],
    ['./', 'has no name'],
  ];
  const good: [string, string][] = [
    ['bird/a.png', 'one'],
    ['./not-bird//b.png', 'two'],
  ];

  test.each([
    ['a.zip', async (all: [string, string][]) => zipOf(all)],
    ['a.tar', (all: [string, string][]) => tarOf(all)],
  ])('%s: they are refused by name, and nothing is written outside', async (name, make) => {
    // A NUL ends a name in tar; a name that ends in a slash is a folder in both.
    const bad = names.filter(([one]) => !one.endsWith('/') && (name === 'a.zip' || !one.includes('\0')));
    const { part, path } = await archive(
      name,
      await make([...bad.map(([one]): [string, string] => [one, 'evil']), ...good]),
    );
    const listing = await part.list();
    expect(await read(part, listing)).toEqual({ 'bird/a.png': 'one', 'not-bird/b.png': 'two' });
    expect(listing.skipped.map(({ reason }) => reason)).toEqual(bad.map(([, reason]) => reason));
    for (const { name: shown } of listing.skipped) expect(shown).toMatch(/^[^\p{Cc}]{1,400}$/u);
    expect(readdirSync(dirname(path)).sort()).toEqual([name, 'cache']);
    expect(existsSync('/tmp/evil.png')).toBe(false);
  });

  test('names that differ in case stay two; of equal ones the last counts', async () => {
    const bytes = zipOf([
      ['bird/a.png', 'low'],
      ['bird/A.png', 'high'],
      ['b/x.png', 'old'],
      ['b/x.png', 'new'],
    ]);
    const { part, path } = await archive('a.zip', bytes);
    const listing = await part.list();
    expect(await read(part, listing)).toEqual({
      'b/x.png': 'new',
      'bird/A.png': 'high',
      'bird/a.png': 'low',
    });
    expect(listing.skipped).toEqual([
      { name: `${path}/b/x.png`, reason: 'comes again later in the archive, and only that counts' },
    ]);
  });

  test('links, pipes and devices are skipped', async () => {
    const kinds = [
      ['symlink', 'is a symbolic link'],
      ['link', 'is a hard link'],
      ['fifo', 'is a pipe'],
      ['character-device', 'is a device'],
      ['block-device', 'is a device'],
    ] as const;
    const tar = await tarOf([
      ...kinds.map(([type]): [string, object] => [`bird/${type}.png`, { type, linkname: '/etc/passwd' }]),
      // Through a link that was written first.
      ['bird/symlink.png/x.png', 'fine'],
      ['bird/a.png', 'one'],
    ]);
    const packed = await archive('a.tar', tar);
    const listing = await packed.part.list();
    expect(listing.skipped.map(({ reason }) => reason)).toEqual(kinds.map(([, reason]) => reason));
    expect(listing.names).toEqual(['bird/a.png', 'bird/symlink.png/x.png']);
    const modes = [0o120777, 0o010644, 0o020644, 0o060644, 0o140644];
    const zip = zipOf([
      ...modes.map((mode, i): ZipEntry => ({ name: `bird/${i}.png`, content: '/etc/passwd', mode })),
      { name: 'bird/a.png', content: 'one' },
    ]);
    const zipped = await (await archive('a.zip', zip)).part.list();
    expect(zipped.names).toEqual(['bird/a.png']);
    expect(zipped.skipped.map(({ reason }) => reason)).toEqual(
      ['symbolic link', 'pipe', 'device', 'device', 'socket'].map((kind) => `is a ${kind}`),
    );
  });

  test('of many that are skipped a thousand are named', async () => {
    const many = Array.from(
      { length: 1200 },
      (_, i): ZipEntry => ({ name: `../${i}.png`, content: '', stored: true }),
    );
    const { part, path } = await archive('a.zip', zipOf([...many, { name: 'bird/a.png', content: 'one' }]));
    const { skipped } = await part.list();
    expect(skipped.length).toBe(1001);
    expect(skipped.at(-1)).toEqual({ name: path, reason: 'has 200 more files that were skipped' });
  });
});

describe('what is damaged, cut short or a bomb', () => {
  const noise = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251));
  const entries: [string, Uint8Array][] = [
    ['bird/a.png', noise],
    ['bird/b.png', noise],
    ['not-bird/c.png', noise],
  ];
  const flip = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 0xff;
    return copy;
  };
  const changed = (bytes: Buffer, at: number, value: number) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt32LE(value, at);
    return copy;
  };
  const stored = entries.map(([name, content]): ZipEntry => ({ name, content, stored: true }));
  const zip = zipOf(stored);
  const bomb = (mega: number) => Buffer.alloc(mega * 2 ** 20);

  test.each<[string, string, () => Promise<Buffer> | Buffer, string]>([
    [
      'half a tar',
      'a.tar',
      async () => (await tarOf(entries)).subarray(0, 8000),
      'ends too early; fetch it again',
    ],
    [
      'a tar cut behind an entry',
      'a.tar',
      async () => (await tarOf(entries)).subarray(0, 512 + 5120),
      'ends too early; fetch it again',
    ],
    [
      'half a gzip',
      'a.tgz',
      async () => (await tarGzOf(entries)).subarray(0, 200),
      'ends too early; fetch it again',
    ],
    [
      'a gzip without its sum',
      'a.tgz',
      async () => (await tarGzOf(entries)).subarray(0, -4),
      'ends too early; fetch it again',
    ],
    [
      'bytes behind a gzip',
      'a.tgz',
      async () => Buffer.concat([await tarGzOf(entries), Buffer.from('more')]),
      'is damaged (incorrect header check); fetch it again',
    ],
    [
      'bytes behind zeros behind a gzip',
      'a.tgz',
      async () => Buffer.concat([await tarGzOf(entries), Buffer.alloc(70000), Buffer.from('more')]),
      /has \d+ bytes after its end; fetch it again/.source,
    ],
    [
      'a wrong sum of a gzip',
      'a.tgz',
      async () => flip(await tarGzOf(entries), (await tarGzOf(entries)).length - 8),
      'is damaged (incorrect data check); fetch it again',
    ],
    [
      'a wrong header in a tar',
      'a.tar',
      async () => flip(await tarOf(entries), 512 + 5120 + 10),
      'is damaged after entry 1; fetch it again',
    ],
    [
      'text as tar',
      'a.tar',
      () => Buffer.from('hello'.repeat(500)),
      'is something else or damaged; fetch it again',
    ],
    [
      'text in a gzip',
      'a.tgz',
      () => gzipSync('hello'.repeat(500)),
      'is something else or damaged; fetch it again',
    ],
    [
      'text as zip',
      'a.zip',
      () => Buffer.from('hello'.repeat(500)),
      'is something else or truncated; fetch it again',
    ],
    ['half a zip', 'a.zip', () => zip.subarray(0, 8000), 'is something else or truncated; fetch it again'],
    ['an empty file', 'a.zip', () => Buffer.alloc(0), 'is empty; fetch it again'],
    [
      'another kind',
      'a.tar',
      () => Buffer.from('\xfd7zXZ\0\0\0', 'latin1'),
      'is an xz archive; unpack it and name the folder',
    ],
    ['a wrong byte in a zip', 'a.zip', () => flip(zip, 200), 'is damaged at "bird/a.png"; fetch it again'],
    [
      'a wrong list of a zip',
      'a.zip',
      () => flip(zip, zip.lastIndexOf('PK\x01\x02')),
      'is damaged (invalid central directory file header signature',
    ],
    [
      'a zip whose list is beyond its end',
      'a.zip',
      () => changed(zip, zip.length - 6, 0x7fffffff),
      'is damaged (it points beyond its end)',
    ],
    [
      'a zip that lies about a size',
      'a.zip',
      () => zipOf([{ name: 'bird/a.png', content: noise, size: 100 }]),
      'is damaged (too many bytes in the stream',
    ],
    ['a zip with fewer entries than it says', 'a.zip', () => zipOf(stored, 9), 'is damaged ('],
    ['a zip with more entries than it says', 'a.zip', () => zipOf(stored, 2), 'has more files than it says'],
    [
      'entries over each other',
      'a.zip',
      () => zipOf([...stored, { ...stored[0]!, name: 'bird/again.png', offset: 10 }]),
      'has entries that lie over each other',
    ],
    [
      'a gzip bomb',
      'a.tgz',
      async () => gzipSync(await tarOf([['bird/a.png', bomb(80)]])),
      'unpacks to more than 100 times its size',
    ],
    [
      'a gzip bomb in what is not needed',
      'a.tgz',
      async () => gzipSync(await tarOf([['zeros.bin', bomb(80)]])),
      'unpacks to more than 100 times its size',
    ],
    [
      'a zip bomb',
      'a.zip',
      () => zipOf([['bird/a.png', bomb(80)]]),
      'unpacks to more than 100 times its size',
    ],
    [
      'a tar with a size that is no number',
      'a.tar',
      async () => sized(await tarOf(entries), '\x81'.repeat(12)),
      'is damaged after entry 1; fetch it again',
    ],
    [
      'a tar with a size of terabytes',
      'a.tar',
      async () => sized(await tarOf(entries), '777777777777'),
      'ends too early; fetch it again',
    ],
  ])('%s', async (_, name, make, message) => {
    const { part, path, cache } = await archive(name, await make());
    expect(await outcome(part.list())).toMatch(
      new RegExp(`^UserError: .*"${path}".*${/\\d/.test(message) ? message : escaped(message)}`),
    );
    // Nothing is left that could be taken for whole.
    expect(readdirSync(join(cache, 'archives'))).toEqual([]);
    expect(readdirSync(dirname(path)).sort()).toEqual([name, 'cache']);
  });

  const escaped = (text: string) => text.replace(/[()[\]{}.*+?^$|\\]/g, '\\$&');

  /** The first entry has another size, and a right checksum. */
  function sized(tar: Buffer, size: string): Buffer {
    const copy = Buffer.from(tar);
    copy.write(size, 124, 'latin1');
    copy.write('        ', 148, 'latin1');
    const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return copy;
  }

  test('zeros behind a gzip are no fault', async () => {
    const padded = Buffer.concat([await tarGzOf([['bird/a.png', 'one']]), Buffer.alloc(1024)]);
    expect(await contents('a.tgz', padded)).toEqual({ 'bird/a.png': 'one' });
  });

  test('a method that is not known skips the entry', async () => {
    const bytes = zipOf([
      { name: 'bird/a.png', content: 'x', method: 14 },
      { name: 'bird/b.png', content: 'y' },
    ]);
    const { part, path } = await archive('a.zip', bytes);
    expect((await part.list()).skipped).toEqual([
      { name: `${path}/bird/a.png`, reason: 'is compressed by method 14, which is not known' },
    ]);
  });

  test('what was unpacked and then changed is told, and unpacked again next time', async () => {
    const { part, path, cache } = await archive('a.zip', zip);
    const listing = await part.list();
    const [unpacked] = readdirSync(join(cache, 'archives'));
    const images = join(cache, 'archives', unpacked!, 'images');
    writeFileSync(images, flip(readFileSync(images), 3));
    expect(await outcome(read(part, listing))).toMatch(
      /^UserError: What was unpacked to .* has changed; run again/,
    );
    const again = await partOf(path, cache);
    expect(Object.keys(await read(again, await again.list())).length).toBe(3);
    // A shorter one is seen at once.
    writeFileSync(images, 'short');
    const third = await partOf(path, cache);
    expect((await read(third, await third.list()))['bird/a.png']).toBe(noise.toString());
  });
});

describe('processes that meet or die', () => {
  const many = Array.from({ length: 3000 }, (_, i): [string, Uint8Array] => [
    `${i % 2 ? 'bird' : 'not-bird'}/${i}.png`,
    Buffer.alloc(2000, i),
  ]);

  /** Lists an archive in a process of its own, which says how many images it has. */
  function listElsewhere(folder: string, path: string, cache: string) {
    const script = join(folder, 'list.mts');
    const module = new URL('../../src/data/sources/archive_source.ts', import.meta.url).href;
    const context = { role: 'data', labelled: true, size: 8, cacheDir: cache };
    writeFileSync(
      script,
      `import { archiveParts } from ${JSON.stringify(module)};
       let begun = false;
       const onProgress = () => { if (!begun) console.log('begun'); begun = true; };
       const source = { text: '', kind: 'archive', path: ${JSON.stringify(path)} };
       const [part] = await archiveParts(source, { ...${JSON.stringify(context)}, onProgress });
       console.log('listed ' + (await part.list()).count);
       await part.close();`,
    );
    const child = spawn(process.execPath, ['--import', 'tsx', script], { cwd: root });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    return { child, ended: once(child, 'close').then(() => said) };
  }

  test('killed while unpacking, it leaves nothing that is taken for whole, and the next run removes it', async () => {
    const { part, path, cache } = await archive('a.tar.gz', await tarGzOf(many));
    const { child, ended } = listElsewhere(dirname(path), path, cache);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await ended;
    const left = readdirSync(join(cache, 'archives'));
    const [temporary] = left.filter((name) => name.endsWith('.tmp'));
    // It may have been done already; then nothing is left over.
    if (temporary) {
      expect(left).toEqual([temporary]);
      // As if some time had passed.
      utimesSync(join(cache, 'archives', temporary), new Date(0), new Date(0));
    }
    expect((await part.list()).count).toBe(3000);
    expect(readdirSync(join(cache, 'archives')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('two at once make one', async () => {
    const { part, path, cache } = await archive('a.tar.gz', await tarGzOf(many));
    const both = [listElsewhere(dirname(path), path, cache), listElsewhere(dirname(path), path, cache)];
    const here = part.list();
    expect((await here).count).toBe(3000);
    for (const { ended } of both) expect(await ended).toMatch(/listed 3000\n$/);
    expect(readdirSync(join(cache, 'archives')).length).toBe(1);
  });

  test('one that another process has in work is waited for', async () => {
    const { part, path, cache } = await archive('a.zip', zipOf([['bird/a.png', 'one']]));
    await part.list();
    const archives = join(cache, 'archives');
    const [name] = readdirSync(archives);
    rmSync(join(archives, name!), { recursive: true });
    const other = `.${name}-0-${ownerTag()}.tmp`;
    mkdirSync(join(archives, other));
    const listing = (await partOf(path, cache)).list();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(readdirSync(archives)).toEqual([other]);
    rmSync(join(archives, other), { recursive: true });
    expect((await listing).count).toBe(1);
    expect(readdirSync(archives)).toEqual([name]);
  });

  test('what a dead process left is removed, what a live one writes stays', async () => {
    const { part, cache } = await archive('a.zip', zipOf([['bird/a.png', 'one']]));
    const archives = join(cache, 'archives');
    // The last one has the number of a process that lives, but began at another time.
    const names = [ownerTag(2 ** 22 - 1), ownerTag(), ownerTag().replace(/\w+$/, '12345678')].map(
      (tag) => `.x-${tag}.tmp`,
    );
    for (const name of names) {
      mkdirSync(join(archives, name), { recursive: true });
      writeFileSync(join(archives, name, 'images'), 'x');
    }
    await part.list();
    expect(readdirSync(archives).filter((name) => name.endsWith('.tmp'))).toEqual([names[1]]);
  });

  test('Ctrl-C ends it and leaves nothing', async () => {
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('enough'));
    const given = { onProgress, signal: controller.signal };
    for (const bytes of [await tarGzOf(many), zipOf(many)]) {
      const { part, cache } = await archive('a.tar.gz', bytes, given);
      expect(await outcome(part.list())).toBe('Error: enough');
      expect(readdirSync(join(cache, 'archives'))).toEqual([]);
    }
  });

  test('a cache folder that is none is named', async () => {
    const folder = testFolder();
    write(folder, { 'a.zip': zipOf([['bird/a.png', 'one']]), cache: 'a file' });
    const part = await partOf(join(folder, 'a.zip'), join(folder, 'cache'));
    expect(await outcome(part.list())).toMatch(
      /^UserError: .* could not be unpacked to .* \(ENOTDIR\); choose another with --cache$/,
    );
  });
});
