/** Requests through a proxy of this machine: encrypted all the way where the address says so, and past it where NO_PROXY does. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Server } from 'node:net';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { request } from '../../src/base/request.ts';
import { ask } from '../../src/data/hub/http.ts';

/** Of a host that is not there: only the proxy leads to it. */
const pem = readFileSync(new URL('../fixtures/hub.example.pem', import.meta.url));

async function listen(server: Server & { closeAllConnections?(): void }): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections?.();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A proxy that leads everything to one port, and keeps all that it sees. */
async function startProxy(port: number, status = 200) {
  const seen: { line: string; headers: IncomingMessage['headers'] }[] = [];
  const bytes: Buffer[] = [];
  const note = ({ method, url, headers }: IncomingMessage) =>
    seen.push({ line: `${method} ${url}`, headers });
  const proxy = createServer((message, response) => {
    note(message);
    response.end('by the proxy');
  });
  proxy.on('connect', (message, socket) => {
    note(message);
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const there = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    socket.on('data', (chunk: Buffer) => bytes.push(chunk));
    socket.pipe(there).pipe(socket);
    for (const one of [socket, there]) one.on('error', () => socket.destroy());
  });
  return { seen, bytes, port: await listen(proxy) };
}

/** A server that says which authorization it got. */
const hub: RequestListener = ({ headers }, response) => void response.end(`got ${headers.authorization}`);

const settings = {
  ...{ endpoint: 'https://hub.example', token: 'hf_secret', cacheDir: '', offline: false },
  ...{ idleSeconds: 5, pauseMs: 1 },
};

async function textOf(answer: Awaited<ReturnType<typeof ask>>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

beforeEach(() => {
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) {
    vi.stubEnv(name, '');
    vi.stubEnv(name.toLowerCase(), '');
  }
  return () => void vi.unstubAllEnvs();
});

test('https: the proxy opens a tunnel and sees neither token nor answer', async () => {
  const proxy = await startProxy(await listen(createSecureServer({ key: pem, cert: pem }, hub)));
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  vi.stubEnv('HTTPS_PROXY', `http://wren:pass@127.0.0.1:${proxy.port}`);
  const answer = await ask('https://hub.example/api/x', {}, settings);
  expect(await textOf(answer)).toBe('got Bearer hf_secret');
  expect(proxy.seen.map(({ line }) => line)).toEqual(['CONNECT hub.example:443']);
  const { headers } = proxy.seen[0]!;
  expect(headers['proxy-authorization']).toBe(`Basic ${Buffer.from('wren:pass').toString('base64')}`);
  expect(headers.authorization).toBeUndefined();
  const sent = Buffer.concat(proxy.bytes);
  // The record of a TLS handshake.
  expect([sent[0], sent[1]]).toEqual([22, 3]);
  expect(sent.includes('hf_secret') || sent.includes('/api/x')).toBe(false);
});

test('http: the proxy is asked for the whole address', async () => {
  const proxy = await startProxy(0);
  vi.stubEnv('http_proxy', `127.0.0.1:${proxy.port}`);
  vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:1');
  const answer = await request('http://mirror.example/a?b=c');
  expect(await answer.text()).toBe('by the proxy');
  expect(proxy.seen.map(({ line }) => line)).toEqual(['GET http://mirror.example/a?b=c']);
});

test('NO_PROXY and this machine are asked without it', async () => {
  const port = await listen(createServer(hub));
  const proxy = await startProxy(port);
  vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${proxy.port}`);
  // An address of this machine, too, but one that could be any other.
  const there = `http://0.0.0.0:${port}/`;
  expect(await (await request(there)).text()).toBe('by the proxy');
  expect(await (await request(`http://127.0.0.1:${port}/`)).text()).toBe('got undefined');
  for (const text of ['x.example, 0.0.0.0', `0.0.0.0:${port}`, '*']) {
    vi.stubEnv('NO_PROXY', text);
    expect(await (await request(there)).text()).toBe('got undefined');
  }
  vi.stubEnv('NO_PROXY', 'x.example,0.0.0.0:1');
  expect(await (await request(there)).text()).toBe('by the proxy');
  expect(proxy.seen).toHaveLength(2);
});

test('of an https address HTTP_PROXY says nothing', async () => {
  const port = await listen(createSecureServer({ key: pem, cert: pem }, hub));
  const proxy = await startProxy(port);
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${proxy.port}`);
  expect(await (await request(`https://0.0.0.0:${port}/`)).text()).toBe('got undefined');
  expect(proxy.seen).toEqual([]);
});

test('a proxy that refuses, or is not there, is named; without its password', async () => {
  const proxy = await startProxy(0, 407);
  vi.stubEnv('HTTPS_PROXY', `http://wren:pass@127.0.0.1:${proxy.port}`);
  await expect(ask('https://hub.example/', {}, settings)).rejects.toMatchObject({
    name: 'UserError',
    message: `The proxy 127.0.0.1:${proxy.port} refused the connection to hub.example (status 407); check the user name and password in HTTPS_PROXY (http://NAME:PASSWORD@HOST:PORT), or ask its administrator`,
  });
  const broken = await startProxy(0, 502);
  vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${broken.port}`);
  await expect(ask('https://hub.example/', {}, settings)).rejects.toMatchObject({
    message: `broke the connection (Proxy response (502) !== 200 when HTTP Tunneling through the proxy 127.0.0.1:${broken.port})`,
    facts: { passing: true },
  });
  vi.stubEnv('HTTPS_PROXY', 'http://wren:pass@127.0.0.1:1');
  await expect(ask('https://hub.example/', {}, settings)).rejects.toMatchObject({
    message: "can't be reached (connect ECONNREFUSED 127.0.0.1:1 through the proxy 127.0.0.1:1)",
    facts: { unreachable: true },
  });
  vi.stubEnv('HTTPS_PROXY', 'socks5://wren:pass@127.0.0.1:1');
  await expect(ask('https://hub.example/', {}, settings)).rejects.toMatchObject({
    name: 'UserError',
    message:
      'Expected a URL such as http://proxy.example.com:3128 in HTTPS_PROXY, but found something else; correct it or unset it',
  });
});
