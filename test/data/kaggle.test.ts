/** Kaggle as a source, on two ports of this machine: its API, and the place where the archives are. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ownerTag } from '../../src/base/file_owner.ts';
import { Room } from '../../src/data/cache/cache_budget.ts';
import { kaggleSettings } from '../../src/data/kaggle/kaggle_settings.ts';
import type { Part, SourceContext } from '../../src/data/part.ts';
import { parseSource, partsOf } from '../../src/data/sources/source.ts';
import { outcome, testFolder, write } from './made.ts';
import { zipOf } from './made_archives.ts';

// The same, without long pauses before it asks again.
vi.mock('../../src/data/kaggle/kaggle_settings.ts', async (original) => {
  const { kaggleSettings } = await original<typeof import('../../src/data/kaggle/kaggle_settings.ts')>();
  return { kaggleSettings: (env?: NodeJS.ProcessEnv) => ({ ...kaggleSettings(env), pauseMs: 5 }) };
});

const KEY = `Basic ${Buffer.from('wren:secret').toString('base64')}`;

interface Kaggle {
  folder: string;
  /** Versions of owner/birds, counted from 1. */
  versions: Buffer[];
  requests: { host: 'api' | 'storage'; url: string; authorization?: string; range?: string }[];
  /** Taken one after the other: what the storage does in place of the right thing. */
  faults: ((request: IncomingMessage, response: ServerResponse, body: Buffer) => void)[];
  /** Who may read. */
  accepts: (authorization: string | undefined) => number;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function startKaggle(versions: Buffer[]): Promise<Kaggle> {
  const kaggle: Kaggle = { folder: testFolder(), versions, requests: [], faults: [], accepts: () => 200 };
  const storage = await listen(
    createServer((request, response) => {
      note(kaggle, 'storage', request);
      const version = Number(/^\/v(\d+)\/archive\.zip\?X-Goog-Signature=x$/.exec(request.url!)![1]);
      const body = kaggle.versions[version - 1]!;
      (kaggle.faults.shift() ?? sendZip)(request, response, body);
    }),
  );
  const api = await listen(
    createServer((request, response) => {
      note(kaggle, 'api', request);
      const status = kaggle.accepts(request.headers.authorization);
      if (status !== 200) return void response.writeHead(status).end('{"code":403}');
      const { pathname, searchParams } = new URL(request.url!, 'http://x');
      if (pathname === '/api/v1/datasets/view/owner/birds') {
        return void response.end(
          JSON.stringify({ ref: 'owner/birds', currentVersionNumber: kaggle.versions.length }),
        );
      }
      const version = Number(searchParams.get('datasetVersionNumber'));
      if (pathname !== '/api/v1/datasets/download/owner/birds' || !kaggle.versions[version - 1]) {
        return void response.writeHead(404).end('{"code":404,"message":"Not found"}');
      }
      response.writeHead(302, { Location: `${storage}/v${version}/archive.zip?X-Goog-Signature=x` }).end();
    }),
  );
  vi.stubEnv('KAGGLE_API_ENDPOINT', api);
  vi.stubEnv('KAGGLE_USERNAME', 'wren');
  vi.stubEnv('KAGGLE_KEY', 'secret');
  vi.stubEnv('KAGGLE_CONFIG_DIR', join(kaggle.folder, 'none'));
  onTestFinished(() => void vi.unstubAllEnvs());
  return kaggle;
}

function note(kaggle: Kaggle, host: 'api' | 'storage', { url, headers }: IncomingMessage): void {
  kaggle.requests.push({ host, url: url!, authorization: headers.authorization, range: headers.range });
}

function headersOf(body: Buffer): Record<string, string> {
  const md5 = createHash('md5').update(body).digest('base64');
  return {
    'Content-Type': 'application/zip',
    'X-Goog-Hash': `crc32c=AAAAAA==, md5=${md5}`,
    'Accept-Ranges': 'bytes',
  };
}

function sendZip(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? Number.NaN);
  if (Number.isNaN(begin)) {
    response.writeHead(200, { ...headersOf(body), 'Content-Length': body.length }).end(body);
  } else if (begin >= body.length) {
    response.writeHead(416, { 'Content-Range': `bytes */${body.length}` }).end();
  } else {
    const range = `bytes ${begin}-${body.length - 1}/${body.length}`;
    const part = body.subarray(begin);
    response
      .writeHead(206, { ...headersOf(body), 'Content-Range': range, 'Content-Length': part.length })
      .end(part);
  }
}

const noise = (seed: number) =>
  Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * i * 31 + seed) % 251));
const first = zipOf([
  { name: 'set/bird/a.png', content: 'one', stored: true },
  { name: 'set/not-bird/b.png', content: noise(1), stored: true },
]);
const second = zipOf([
  ['set/bird/a.png', 'two'],
  ['set/not-bird/b.png', noise(2)],
  ['set/not-bird/c.png', noise(3)],
]);

async function open(kaggle: Kaggle, text: string, given: Partial<SourceContext> = {}): Promise<Part> {
  const cacheDir = join(kaggle.folder, 'cache');
  const context = { role: 'data', labelled: true, size: 8, cacheDir, ...given } as const;
  const [part] = await partsOf(await parseSource(text), context);
  onTestFinished(() => part!.close?.());
  await part!.list();
  return part!;
}

describe('a data set on Kaggle', () => {
  test('the newest version is fetched once, shown and pinned; the key goes to Kaggle alone', async () => {
    const kaggle = await startKaggle([first, second]);
    const part = await open(kaggle, 'kaggle:owner/birds');
    const listing = await part.list();
    expect(listing.names).toEqual(['set/bird/a.png', 'set/not-bird/b.png', 'set/not-bird/c.png']);
    expect(part.nameOf(listing.names![0]!)).toBe('kaggle:owner/birds@2/set/bird/a.png');
    const sha256 = createHash('sha256').update(second).digest('hex');
    expect(await part.pins!({ verify: false })).toEqual([
      { name: '2.zip', size: second.length, sha256, revision: '2' },
    ]);
    expect(kaggle.requests.map(({ host, authorization }) => `${host} ${authorization}`)).toEqual([
      `api ${KEY}`,
      `api ${KEY}`,
      'storage undefined',
    ]);
    kaggle.requests.length = 0;
    expect((await (await open(kaggle, 'kaggle:owner/birds@2')).list()).count).toBe(3);
    expect(kaggle.requests).toEqual([]);
  });

  test('a version in the name, or the pinned one, is taken without asking for the newest', async () => {
    const kaggle = await startKaggle([first, second]);
    expect((await (await open(kaggle, 'kaggle:owner/birds@1')).list()).count).toBe(2);
    expect((await (await open(kaggle, 'kaggle:owner/birds', { revision: '1' })).list()).count).toBe(2);
    expect(kaggle.requests.map(({ url }) => url)).toEqual([
      '/api/v1/datasets/download/owner/birds?datasetVersionNumber=1',
      '/v1/archive.zip?X-Goog-Signature=x',
    ]);
  });

  test('what broke off is resumed, by another process too', async () => {
    const kaggle = await startKaggle([first]);
    let breakOff = () => {};
    kaggle.faults.push((_, response, body) => {
      response.writeHead(200, { ...headersOf(body), 'Content-Length': body.length });
      response.write(body.subarray(0, 70_000));
      breakOff = () => response.destroy();
    });
    const steps: (number | undefined)[] = [];
    const onProgress: SourceContext['onProgress'] = ({ stage, bytes }) => {
      if (stage !== 'download') return;
      steps.push(bytes);
      // Some Nodes forget what has arrived and was not read.
      if (bytes) breakOff();
    };
    await open(kaggle, 'kaggle:owner/birds@1', { onProgress });
    const [, , , again] = kaggle.requests;
    expect(again!.range).toMatch(/^bytes=\d+-$/);
    expect(Number(again!.range!.slice(6, -1))).toBeGreaterThan(0);
    expect(steps.at(-1)).toBe(first.length);
    expect(readFileSync(join(kaggle.folder, 'cache/kaggle/owner/birds/1.zip')).equals(first)).toBe(true);
  });

  test('an archive larger than the limit is refused before it is fetched', async () => {
    const kaggle = await startKaggle([first]);
    const cacheDir = join(kaggle.folder, 'cache');
    expect(
      await outcome(open(kaggle, 'kaggle:owner/birds@1', { room: new Room(cacheDir, first.length - 1) })),
    ).toMatch(
      /^UserError: Expected at most \S+ GB in the cache \(--cache-limit\), but kaggle:owner\/birds@1 takes /,
    );
    expect(readdirSync(join(cacheDir, 'kaggle/owner/birds'))).toEqual([]);
  });

  test('an archive that gave way is not missed while what was unpacked of it is there, else it is fetched again', async () => {
    const kaggle = await startKaggle([first]);
    const cache = join(kaggle.folder, 'cache');
    const room = new Room(cache, 1.5 * first.length);
    const part = await open(kaggle, 'kaggle:owner/birds@1', { room });
    const [listing, pins] = [await part.list(), await part.pins!({ verify: false })];
    const again = async () => {
      const read: number[] = [];
      for await (const { index } of part.read(listing, () => true)) read.push(index);
      const found = await part.pins!({ verify: false });
      await part.close!();
      return [read, found, readdirSync(join(cache, 'kaggle/owner/birds'))];
    };
    await part.close!();
    await room.settle();
    kaggle.requests.length = 0;
    expect([await again(), kaggle.requests]).toEqual([[[0, 1], pins, []], []]);
    rmSync(join(cache, 'archives'), { recursive: true });
    expect(await again()).toEqual([[0, 1], pins, ['1.zip']]);
    // What is there is looked at: another one is not taken for it.
    writeFileSync(join(cache, 'kaggle/owner/birds/1.zip'), second);
    expect(await part.pins!({ verify: false })).not.toEqual(pins);
  });

  test.each([
    ['half of it', first.subarray(0, 50_000), 'bytes=49999-', 1],
    ['all of it', first, `bytes=${first.length - 1}-`, 1],
    ['other bytes', Buffer.alloc(50_000, 7), 'bytes=49999-', 2],
    ['more than there is', Buffer.concat([first, first]), `bytes=${2 * first.length - 1}-`, 2],
  ])('a process that died left %s', async (_, left, range, answers) => {
    const kaggle = await startKaggle([first]);
    const folder = join(kaggle.folder, 'cache/kaggle/owner/birds');
    write(folder, { [`1.zip.1-${ownerTag(4_194_303)}.incomplete`]: left });
    await open(kaggle, 'kaggle:owner/birds@1');
    expect(kaggle.requests[1]!.range).toBe(range);
    expect(kaggle.requests.filter(({ host }) => host === 'storage').length).toBe(answers);
    expect(readFileSync(join(folder, '1.zip')).equals(first)).toBe(true);
    expect(readdirSync(folder)).toEqual(['1.zip']);
  });

  test.each<[string, Kaggle['faults'][number]]>([
    [
      'wrong bytes',
      (_, response, body) => response.writeHead(200, headersOf(body)).end(Buffer.alloc(body.length)),
    ],
    ['500', (_, response) => response.writeHead(500).end()],
    ['429', (_, response) => response.writeHead(429, { 'Retry-After': '0' }).end()],
    ['an address that has aged', (_, response) => response.writeHead(403).end()],
    ['nothing', (request) => request.socket.destroy()],
  ])('the storage sends %s first: asked again', async (_, fault) => {
    const kaggle = await startKaggle([first]);
    kaggle.faults.push(fault);
    await open(kaggle, 'kaggle:owner/birds@1');
    expect(readFileSync(join(kaggle.folder, 'cache/kaggle/owner/birds/1.zip')).equals(first)).toBe(true);
  });

  test('without a network the newest version in the cache is taken, and told', async () => {
    const kaggle = await startKaggle([first, second]);
    await open(kaggle, 'kaggle:owner/birds@1');
    const gone = createServer();
    const address = await listen(gone);
    await new Promise((resolve) => gone.close(resolve));
    vi.stubEnv('KAGGLE_API_ENDPOINT', address);
    const notes: string[] = [];
    const onProgress: SourceContext['onProgress'] = ({ note }) => {
      if (note) notes.push(note);
    };
    expect((await (await open(kaggle, 'kaggle:owner/birds', { onProgress })).list()).count).toBe(2);
    expect(notes).toEqual([
      `${new URL(address).host} can't be reached (ECONNREFUSED); kaggle:owner/birds is taken as version 1, which is in the cache`,
    ]);
  });
});

describe('what Kaggle refuses', () => {
  const KEYS =
    'make a key on https://www.kaggle.com/settings under API and set KAGGLE_USERNAME and KAGGLE_KEY (or KAGGLE_API_TOKEN)';
  test.each([
    [401, true, `Kaggle does not know the key that is set, so kaggle:owner/birds can't be fetched; ${KEYS}`],
    [401, false, `Kaggle gives kaggle:owner/birds only to those it knows; ${KEYS}`],
    [
      403,
      true,
      'Kaggle does not give kaggle:owner/birds to this account; accept its terms on PAGE, or ask its owner',
    ],
    [
      403,
      false,
      `Kaggle gives kaggle:owner/birds only to those it knows; ${KEYS}, and accept the terms on PAGE if there are any`,
    ],
    [
      404,
      true,
      'Expected the data set "owner/birds" on Kaggle, but it is not there or is private; check owner, name and version on PAGE',
    ],
  ])('%i, with a key: %s', async (status, key, message) => {
    const kaggle = await startKaggle([first]);
    kaggle.accepts = () => status;
    if (!key) for (const name of ['KAGGLE_USERNAME', 'KAGGLE_KEY']) vi.stubEnv(name, '');
    const page = `${process.env.KAGGLE_API_ENDPOINT}/datasets/owner/birds`;
    const said = await outcome(open(kaggle, 'kaggle:owner/birds'));
    expect(said).toBe(`UserError: ${message.replace('PAGE', page)}`);
    expect(said).not.toContain('secret');
  });

  test('a version that is not there', async () => {
    const kaggle = await startKaggle([first]);
    expect(await outcome(open(kaggle, 'kaggle:owner/birds@7'))).toMatch(
      /^UserError: Expected the data set "owner\/birds@7" on Kaggle, but it is not there or is private; check owner, name and version on .*\/datasets\/owner\/birds$/,
    );
  });

  test('a page in place of the archive asks for a key', async () => {
    const kaggle = await startKaggle([first]);
    kaggle.faults.push((_, response) =>
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end('<html>'),
    );
    expect(await outcome(open(kaggle, 'kaggle:owner/birds@1'))).toMatch(
      'Kaggle does not know the key that is set',
    );
  });

  test('an answer without a version', async () => {
    const kaggle = await startKaggle([]);
    expect(await outcome(open(kaggle, 'kaggle:owner/birds'))).toMatch(
      /^UserError: kaggle:owner\/birds: 127\.0\.0\.1:\d+ does not say which version is the newest; start again later/,
    );
  });

  test.each(['kaggle:birds', 'kaggle:owner/birds@0', 'kaggle:../x', 'kaggle:a/b/c', 'kaggle:owner/bi%2e'])(
    '%s',
    async (text) => {
      const kaggle = await startKaggle([]);
      expect(await outcome(open(kaggle, text))).toMatch(
        /^UserError: Expected kaggle:OWNER\/NAME or kaggle:OWNER\/NAME@VERSION, but found/,
      );
      expect(kaggle.requests).toEqual([]);
    },
  );
});

describe('keys', () => {
  const authorization = (env: Record<string, string>) =>
    kaggleSettings({ HOME: '/nowhere', ...env }).authorization;

  test('from the environment, then from the files of the tools of Kaggle', () => {
    const folder = testFolder();
    const files = { KAGGLE_CONFIG_DIR: folder };
    expect(authorization(files)).toBeUndefined();
    write(folder, { 'kaggle.json': '{"username":"wren","key":"secret"}' });
    expect(authorization(files)).toBe(KEY);
    write(folder, { access_token: 'KGAT_1\n' });
    expect(authorization(files)).toBe('Bearer KGAT_1');
    expect(authorization({ ...files, KAGGLE_USERNAME: 'wren', KAGGLE_KEY: 'secret' })).toBe(KEY);
    expect(authorization({ ...files, KAGGLE_API_TOKEN: 'KGAT_2' })).toBe('Bearer KGAT_2');
    const home = testFolder();
    write(home, { '.kaggle/kaggle.json': '{"username":"wren","key":"secret"}' });
    expect(authorization({ HOME: home })).toBe(KEY);
  });

  test('what is wrong with them is told, never the key', () => {
    const folder = testFolder();
    const tried = (env: Record<string, string>) => {
      try {
        return authorization(env);
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(tried({ KAGGLE_KEY: 'secret' })).toBe(
      'Expected KAGGLE_USERNAME beside KAGGLE_KEY, but it is not set; set both, or KAGGLE_API_TOKEN alone',
    );
    expect(tried({ KAGGLE_API_TOKEN: 'sec ret' })).toMatch(
      /^Expected a key of one word in KAGGLE_API_TOKEN, but found something else; /,
    );
    writeFileSync(join(folder, 'kaggle.json'), '{"username":"wren"}');
    expect(tried({ KAGGLE_CONFIG_DIR: folder })).toMatch(
      /^Expected \{"username": \.\.\., "key": \.\.\.\} in /,
    );
    expect(tried({ KAGGLE_API_ENDPOINT: 'ftp://x' })).toMatch(/^Expected an address such as/);
  });
});
