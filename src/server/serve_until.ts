/** A server of our own commands: says where it is, and runs until it is interrupted. */
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { printable } from '../base/words.ts';
import { type Routes, startServer } from './image_server.ts';
import { isLoopback } from './request_guard.ts';

/** @param title the first line that is printed */
export async function serveUntil(
  signal: AbortSignal,
  { host, port, token: given }: { host: string; port: number; token?: string | undefined },
  title: string,
  routes: Routes,
): Promise<void> {
  const token = given ?? (isLoopback(host) ? undefined : randomBytes(18).toString('base64url'));
  const server = await startServer({ host, port, token, routes, onFault: (error) => console.error(error) });
  const address = `http://${reachable(host)}:${server.port}/`;
  const lines = [
    printable(title),
    `Open ${address}${token === undefined ? '' : `#token=${token}`}`,
    ...(token === undefined ? [] : [`Other programs send the header "Authorization: Bearer ${token}"`]),
    'Ctrl-C ends it.',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  await untilAborted(signal);
  await server.close();
}

/** An address that a browser can open, of a server that listens on all of them. */
function reachable(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host.includes(':') ? `[${host}]` : host;
  const all = Object.values(networkInterfaces()).flatMap((some = []) => some);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
