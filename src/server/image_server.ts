/** A small HTTP server for untrusted clients: routes, limits, refusals, graceful shutdown. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { UserError } from '../base/errors.ts';
import { Admission } from './admission.ts';
import { LIMITS, type Limits, Refusal } from './limits.ts';
import { announcedBytes, imagesIn, readBody, type SentImage } from './request_body.ts';
import { checkOrigin, checkToken, type Door, hostsOf } from './request_guard.ts';

/** The request as a route sees it. */
export interface Asked {
  query: URLSearchParams;
  /** Aborted when the client is gone or its time is up. */
  signal: AbortSignal;
  body(): Promise<Buffer>;
  images(): Promise<{ images: SentImage[]; isForm: boolean }>;
}

export interface Reply {
  status?: number;
  type: string;
  body: string | Uint8Array;
  headers?: Record<string, string>;
}

export interface Route {
  /** Whether it is answered without the token, too. */
  isOpen?: boolean;
  answer(asked: Asked): Reply | Promise<Reply>;
}

/** By method and path: "POST /predict". */
export type Routes = Record<string, Route>;

export interface ServerOptions extends Door {
  routes: Routes;
  limits?: Partial<Limits>;
  /** Gets internal errors. */
  onFault?: (error: unknown) => void;
}

export interface RunningServer {
  host: string;
  port: number;
  /** Finishes what it has begun to answer, refuses the rest, and ends. */
  close(): Promise<void>;
}

export function json(value: unknown, status = 200): Reply {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
};

/** The client closed the connection. */
class ClientGone extends Error {}

/** @throws UserError when the address can't be had */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const limits: Limits = { ...LIMITS, ...options.limits };
  const admission = new Admission(limits);
  const server = createServer({ connectionsCheckingInterval: Math.min(1000, limits.headerMs) });
  server.headersTimeout = limits.headerMs;
  // Slightly later than our own time limit.
  server.requestTimeout = limits.requestMs + 2000;
  server.keepAliveTimeout = 5000;
  server.maxConnections = 4 * limits.requests;
  const { host } = options;
  const port = await listen(server, host, options.port);
  const door = { ...options, port };
  const hosts = hostsOf(door);
  let isEnding = false;
  const answer = (request: IncomingMessage, response: ServerResponse, waitsForHead: boolean) =>
    void answerRequest(request, response, { ...options, hosts, limits, admission, waitsForHead, isEnding });
  server.on('request', (request, response) => answer(request, response, false));
  server.on('checkContinue', (request, response) => answer(request, response, true));
  server.on('clientError', answerBroken);
  return {
    host,
    port,
    async close() {
      isEnding = true;
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await closed;
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new UserError(
          error.code === 'EADDRINUSE'
            ? `Expected port ${port} to be free, but another program has it; choose another with --port, 0 for any`
            : `Expected to listen on ${host}, port ${port}, but ${error.code}; choose another with --host and --port`,
          2,
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  return (server.address() as AddressInfo).port;
}

interface Setting extends Pick<ServerOptions, 'routes' | 'token' | 'onFault'> {
  hosts: Set<string>;
  limits: Limits;
  admission: Admission;
  /** The client sends its body only after the server asks for it (`Expect: 100-continue`). */
  waitsForHead: boolean;
  isEnding: boolean;
}

async function answerRequest(request: IncomingMessage, response: ServerResponse, setting: Setting) {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(tooSlow(setting.limits)), setting.limits.requestMs);
  response.on('close', () => ending.abort(new ClientGone()));
  try {
    const reply = await raceWith(ending.signal, routeRequest(request, response, setting, ending.signal));
    send(request, response, reply, setting.isEnding);
  } catch (error) {
    if (!(error instanceof ClientGone)) refuse(request, response, error, setting);
  } finally {
    clearTimeout(timer);
  }
}

function tooSlow({ requestMs }: Limits): Refusal {
  return new Refusal(503, `Expected to answer within ${requestMs / 1000} s, but could not; try again later`);
}

/** The first of an answer and the reason of a signal. */
async function raceWith<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    work.catch(() => {});
  }
}

async function routeRequest(
  request: IncomingMessage,
  response: ServerResponse,
  { routes, token, hosts, limits, admission, waitsForHead, isEnding }: Setting,
  signal: AbortSignal,
): Promise<Reply> {
  checkOrigin(request, hosts);
  if (isEnding) throw new Refusal(503, 'This server is being stopped', { 'retry-after': '5' });
  const { pathname, searchParams: query } = addressOf(request);
  const route = findRoute(routes, request.method ?? '', pathname);
  if (!route.isOpen) checkToken(request, token);
  if (request.method === 'GET' || request.method === 'HEAD') {
    const none = async () => Buffer.alloc(0);
    return route.answer({ query, signal, body: none, images: async () => ({ images: [], isForm: false }) });
  }
  const leave = admission.enter(announcedBytes(request, limits));
  try {
    const body = () => {
      if (waitsForHead) response.writeContinue();
      return readBody(request, limits, signal);
    };
    return await route.answer({
      query,
      signal,
      body,
      images: async () => imagesIn(request, await body(), limits),
    });
  } finally {
    leave();
  }
}

function addressOf({ url = '' }: IncomingMessage): URL {
  try {
    return new URL(url, 'http://server');
  } catch {
    throw new Refusal(400, 'Expected a URL, but it cannot be parsed');
  }
}

function findRoute(routes: Routes, method: string, path: string): Route {
  const find = (name: string) => (Object.hasOwn(routes, name) ? routes[name] : undefined);
  const found = find(`${method === 'HEAD' ? 'GET' : method} ${path}`);
  if (found) return found;
  const methods = ['GET', 'POST'].filter((one) => find(`${one} ${path}`));
  if (methods.length > 0)
    throw new Refusal(405, `Expected ${methods.join(' or ')} ${path}, but found ${method}`, {
      allow: methods.join(', '),
    });
  throw new Refusal(
    404,
    `Nothing is here; this server answers ${Object.keys(routes).join(', ')}, and no paths or addresses of images`,
  );
}

/** Bytes of a body that nobody wants, and milliseconds, that are waited for so that the client reads our answer. */
const DRAINED = 5_000_000;
const DRAIN_MS = 2000;

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status = 200, type, body, headers }: Reply,
  isLast: boolean,
): void {
  if (response.headersSent || response.destroyed) return;
  const isWhole = request.complete || request.method === 'GET' || request.method === 'HEAD';
  const bytes = Buffer.from(body as string);
  response.writeHead(status, {
    ...HEADERS,
    ...headers,
    'content-type': type,
    'content-length': bytes.length,
    ...(isWhole && !isLast ? {} : { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
  if (!isWhole) drain(request);
}

function drain(request: IncomingMessage): void {
  const { socket } = request;
  let bytes = 0;
  const end = () => socket.destroy();
  const timer = setTimeout(end, DRAIN_MS);
  socket.on('close', () => clearTimeout(timer));
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DRAINED) end();
  });
  request.on('end', () => clearTimeout(timer));
  request.on('error', () => {});
  request.resume();
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  { onFault, isEnding }: Setting,
): void {
  send(request, response, replyTo(error, onFault), isEnding);
}

function replyTo(error: unknown, onFault: ServerOptions['onFault']): Reply {
  if (error instanceof Refusal)
    return { ...json({ error: error.message }, error.status), headers: error.headers };
  if (error instanceof UserError) return json({ error: error.message }, 422);
  onFault?.(error);
  return json({ error: "Internal error; the server's terminal shows the details" }, 500);
}

/** Answers clients that do not send a valid request in time. */
function answerBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const [status, sentence] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'Expected at most 16 kB of headers, but found more']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'Expected a whole request, but it did not come in time']
        : ['400 Bad Request', 'Expected an HTTP request, but it cannot be parsed'];
  const body = `${JSON.stringify({ error: sentence })}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}
