import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { predictCommand } from '../../src/predict.ts';
import { serveCommand } from '../../src/serve.ts';
import { startServer } from '../../src/server/image_server.ts';
import { hostsOf, isLoopback } from '../../src/server/request_guard.ts';
import { captured } from '../captured.ts';
import { pictureFolder, run, temporaryFolder } from '../images.ts';
import { sendDamagedForms } from './multipart_fuzz.ts';
import { ask, FORM, formOf, type Served, send, serveModel, writeTinyModel } from './served.ts';

const folder = temporaryFolder('serve');
const corrections = join(folder, 'corrections');
const photos = join(folder, 'photos/bird');
const image = (i: number) => ({ name: `${i}.png`, bytes: readFileSync(join(photos, `${i}.png`)) });
let model: string;
let server: Served;

beforeAll(async () => {
  await pictureFolder(join(folder, 'photos'), 50, 1);
  model = await writeTinyModel(folder);
  server = await serveModel(model, corrections);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const post = (body: Uint8Array, headers: object = {}, path = '/predict') =>
  ask(server, path, { method: 'POST', body, headers });
const sentence = ({ text }: { text: string }) => JSON.parse(text).error;

describe('POST /predict', () => {
  test('answers byte for byte what predict --json prints', async () => {
    const paths = [0, 1].map((i) => join(photos, `${i}.png`));
    const printed = await captured(predictCommand, ['--model', model, '--json', ...paths]);
    const stdout = printed.stdout.replaceAll(`${photos}/`, '');
    const [first, second] = stdout.trimEnd().split('\n') as [string, string];
    expect(await post(formOf([image(0), image(1)]), FORM)).toEqual({
      status: 200,
      text: `[${first},${second}]\n`,
    });
    expect(await post(formOf([image(1)]), FORM)).toEqual({ status: 200, text: `${second}\n` });
    const plain = first.replace('"0.png"', '"-"');
    for (const type of ['image/png', 'application/octet-stream', 'application/x-www-form-urlencoded'])
      expect(await post(image(0).bytes, { 'content-type': type })).toEqual({
        status: 200,
        text: `${plain}\n`,
      });
  });

  test('50 clients at once, each its own answer', async () => {
    const all = [...Array(50).keys()].map(image);
    const alone = await Promise.all(all.slice(0, 3).map(async ({ bytes }) => (await post(bytes)).text));
    const found = await Promise.all(all.map(({ bytes }) => post(bytes)));
    expect(found.map(({ status }) => status)).toEqual(all.map(() => 200));
    expect(found.slice(0, 3).map(({ text }) => text)).toEqual(alone);
    const again = await Promise.all(all.toReversed().map(({ bytes }) => post(bytes)));
    expect(again.map(({ text }) => text).toReversed()).toEqual(found.map(({ text }) => text));
    expect(new Set(found.map(({ text }) => text)).size).toBeGreaterThan(40);
  });

  test('what is no image has its reason, alone or among others', async () => {
    const text = { name: 'a.png', bytes: Buffer.from('plain words') };
    expect(await post(text.bytes)).toEqual({
      status: 422,
      text: expect.stringMatching(/^\{"file":"-","error":"is text, not JPEG, PNG/),
    });
    const { status, text: both } = await post(formOf([text, image(0)]), FORM);
    expect([status, JSON.parse(both)]).toEqual([
      200,
      [
        { file: 'a.png', error: expect.any(String) },
        expect.objectContaining({ file: '0.png', label: expect.any(String) }),
      ],
    ]);
  });

  test('a decompression bomb is refused by its head', async () => {
    const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    png.writeUInt32BE(60_000, 16);
    png.writeUInt32BE(60_000, 20);
    const { status, text } = await post(png);
    expect([status, text]).toEqual([422, expect.stringMatching(/does not decode|60000 x 60000 pixels/)]);
  });
});

describe('refusals', () => {
  test.each([
    ['another Host', '/health', { headers: { host: 'evil.example' } }, 403, /its Host is "evil\.example"$/],
    [
      'no Host that is ours',
      '/',
      { headers: { host: '127.0.0.1:1' } },
      403,
      /^Expected a request to 127\.0\.0\.1:\d+/,
    ],
    [
      'a foreign Origin',
      '/predict',
      { method: 'POST', headers: { origin: 'http://evil.example' } },
      403,
      /Origin/,
    ],
    [
      'the Origin null',
      '/predict',
      { method: 'POST', headers: { origin: 'null' } },
      403,
      /Origin is "null"$/,
    ],
    ['a wrong method', '/predict', {}, 405, /^Expected POST \/predict, but found GET$/],
    ['a path', '/../../etc/passwd', {}, 404, /no paths or addresses of images$/],
    ['a name of JavaScript', '/__proto__', {}, 404, /^Nothing is here/],
    ['nothing', '/predict', { method: 'POST' }, 400, /but found nothing$/],
    [
      'JSON',
      '/predict',
      {
        method: 'POST',
        body: Buffer.from('{"url":"http://x/"}'),
        headers: { 'content-type': 'application/json' },
      },
      415,
      /but found application\/json; with curl/,
    ],
    [
      'too many bytes, as announced',
      '/predict',
      { method: 'POST', headers: { 'content-length': 25_000_001 } },
      413,
      /^Expected at most 25 MB/,
    ],
    [
      'a form without files',
      '/predict',
      { method: 'POST', body: formOf([]), headers: FORM },
      400,
      /found none; with curl: -F/,
    ],
    [
      'an unknown class',
      '/correct?label=cat',
      { method: 'POST', body: Buffer.from('x') },
      400,
      /to be one of bird, not-bird, but found "cat"$/,
    ],
    [
      'a correction that is no image',
      '/correct?label=bird',
      { method: 'POST', body: Buffer.from('x') },
      415,
      /but what was sent is text$/,
    ],
  ])('%s', async (_, path, options, status, message) => {
    const answer = await ask(server, path, options as object);
    expect([answer.status, sentence(answer)]).toEqual([status, expect.stringMatching(message)]);
  });

  test('too many bytes and images, though nobody announced them', async () => {
    const small = await serveModel(model, corrections, { limits: { bytes: 20_000, files: 3 } });
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    const head = `POST /predict HTTP/1.1\r\nHost: 127.0.0.1:${small.port}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    expect(await send(small, head + chunk + chunk)).toMatch(/^HTTP\/1\.1 413 .*found more"\}\n$/s);
    const many = [0, 1, 2, 3].map(image);
    const answer = await ask(small, '/predict', { method: 'POST', body: formOf(many), headers: FORM });
    expect([answer.status, sentence(answer)]).toEqual([
      413,
      expect.stringMatching(/^Expected at most 3 images/),
    ]);
    await small.close();
  });

  test('what is not HTTP, has huge headers, or is too slow', async () => {
    const quick = await serveModel(model, corrections, { limits: { headerMs: 300, requestMs: 600 } });
    const head = `POST /predict HTTP/1.1\r\nHost: 127.0.0.1:${quick.port}\r\n`;
    const [noise, huge, slowHead, slowBody] = await Promise.all([
      send(quick, 'hello\r\n\r\n'),
      send(quick, `${head}X: ${'x'.repeat(20_000)}\r\n\r\n`),
      send(quick, head),
      send(quick, `${head}Content-Length: 100\r\n\r\nabc`),
    ]);
    expect(noise).toMatch(/^HTTP\/1\.1 400 .*Expected an HTTP request/s);
    expect(huge).toMatch(/^HTTP\/1\.1 431 .*at most 16 kB of headers/s);
    expect(slowHead).toMatch(/^HTTP\/1\.1 408 .*did not come in time/s);
    expect(slowBody).toMatch(/^HTTP\/1\.1 503 .*within 0\.6 s/s);
    expect((await ask(quick, '/health')).status).toBe(200);
    await quick.close();
  });

  test('a full house says so, and a client that leaves gives its place back', async () => {
    const narrow = await serveModel(model, corrections, { limits: { requests: 1 } });
    const { bytes } = image(0);
    const head = `POST /predict HTTP/1.1\r\nHost: 127.0.0.1:${narrow.port}\r\nContent-Length: ${bytes.length}\r\n\r\n`;
    const half = Buffer.concat([Buffer.from(head), bytes.subarray(0, 10)]);
    const { connect } = await import('node:net');
    const waiting = connect(narrow.port, '127.0.0.1');
    waiting.write(half);
    const full = await until(
      () => ask(narrow, '/predict', { method: 'POST', body: bytes }),
      ({ status }) => status === 429,
    );
    expect(sentence(full)).toMatch(/^1 requests are being answered; try again/);
    waiting.destroy();
    await until(
      () => ask(narrow, '/predict', { method: 'POST', body: bytes }),
      ({ status }) => status === 200,
    );
    await narrow.close();
  });

  test('60 damaged forms', async () => {
    const statuses = await sendDamagedForms(server, 60);
    expect(statuses[200]).toBeGreaterThan(0);
    expect(statuses[400]).toBeGreaterThan(0);
    expect((await ask(server, '/health')).text).toBe('{"status":"ok"}\n');
  });
});

async function until<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  for (let i = 0; ; i++) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (i > 200) throw new Error(`never: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('who may ask', () => {
  test('with a token nothing but the page and /health is answered without it', async () => {
    const locked = await serveModel(model, corrections, { token: 'secret-token' });
    const status = async (path: string, headers: object = {}, method = 'GET') =>
      (await ask(locked, path, { method, headers })).status;
    expect([await status('/'), await status('/health')]).toEqual([200, 200]);
    expect(await status('/model')).toBe(401);
    expect(await status('/predict', {}, 'POST')).toBe(401);
    expect(await status('/undo', { authorization: 'Bearer wrong' }, 'POST')).toBe(401);
    expect(await status('/model', { authorization: 'Bearer secret-token' })).toBe(200);
    await locked.close();
  });

  test('names of a server come from what it was bound to', () => {
    expect([...hostsOf({ host: '127.0.0.1', port: 8000 })]).toEqual([
      '127.0.0.1:8000',
      'localhost:8000',
      '[::1]:8000',
    ]);
    expect([...hostsOf({ host: 'nas.local', port: 80 })]).toEqual(['nas.local', 'nas.local:80']);
    expect(hostsOf({ host: '0.0.0.0', port: 1 }).has('127.0.0.1:1')).toBe(true);
    expect(['127.0.0.1', '::1', 'localhost', '0.0.0.0', '192.168.1.2', '127.evil'].map(isLoopback)).toEqual([
      ...[true, true, true],
      ...[false, false, false],
    ]);
  });

  test('the page runs its own script only, and nothing may frame it', async () => {
    const response = await fetch(server.url);
    const policy = response.headers.get('content-security-policy')!;
    expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[^']{44}'; /);
    expect(policy).toMatch(/frame-ancestors 'none'$/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('corrections', () => {
  test('go to the folder of their class, and back with /undo', async () => {
    const { bytes } = image(3);
    const saved = await post(bytes, {}, '/correct?label=bird&name=..%2F..%2Fowl.png');
    expect(JSON.parse(saved.text)).toEqual({ file: 'bird/owl.png', isNew: true, label: 'bird', count: 1 });
    expect(readFileSync(join(corrections, 'bird/owl.png'))).toEqual(bytes);
    expect(JSON.parse((await post(bytes, {}, '/correct?label=not-bird')).text)).toMatchObject({
      file: 'not-bird/owl.png',
    });
    expect(existsSync(join(corrections, 'bird/owl.png'))).toBe(false);
    const undo = async () => JSON.parse((await post(new Uint8Array(), {}, '/undo')).text).undone;
    expect([await undo(), await undo(), await undo()]).toEqual(['not-bird/owl.png', 'bird/owl.png', null]);
    expect(readdirSync(join(corrections, 'bird'))).toEqual([]);
  });
});

test('a server that ends finishes what it has begun, and takes nothing new', async () => {
  let release = () => {};
  const begun = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = await startServer({
    ...{ host: '127.0.0.1', port: 0 },
    routes: {
      'GET /slow': {
        answer: async () => {
          await begun;
          return { type: 'text/plain', body: 'whole' };
        },
      },
    },
  });
  const answer = ask(slow, '/slow');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const closed = slow.close();
  await expect(ask(slow, '/slow')).rejects.toThrow(/ECONNREFUSED/);
  release();
  expect(await answer).toEqual({ status: 200, text: 'whole' });
  await closed;
});

describe('the command', () => {
  test('says where it is, answers, and ends with Ctrl-C', async () => {
    const answers: Promise<Response>[] = [];
    const { code, stdout, stderr } = await run('serve.ts', [model, '--port', '0'], {
      cwd: folder,
      onOutput: (text, kill) => {
        const address = /Open (http:\S+)\n/.exec(text)?.[1];
        if (!address || !text.includes('Ctrl-C ends it') || answers.length > 0) return;
        answers.push(fetch(`${address}health`));
        void answers[0]!.finally(() => kill('SIGINT'));
      },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect((await answers[0])?.status).toBe(200);
    expect(stdout).toMatch(
      /tiny\.safetensors \(2 classes\) on .*\nOpen .*\nCtrl-C ends it\.\nAnswered 0 images, saved 0 corrections\.\n$/,
    );
  });

  test('a port that is taken is named', async () => {
    const { code, message } = await captured(serveCommand, [
      model,
      '--port',
      String(server.port),
      '--no-correct',
    ]);
    expect([code, message]).toEqual([
      2,
      `Expected port ${server.port} to be free, but another program has it; choose another with --port, 0 for any`,
    ]);
  });
});
