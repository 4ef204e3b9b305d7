/** Which requests are answered at all: those that were meant for this server, by somebody who may ask it. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { hostname, networkInterfaces } from 'node:os';
import { Refusal } from './limits.ts';

export interface Door {
  /** As it was bound: an address or a name. */
  host: string;
  port: number;
  /** Whoever asks must show it; absent: nobody has to. */
  token?: string | undefined;
}

/** Addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * Names under which a server is asked. They come from what it was bound to, never from a request: a page elsewhere
 * whose name leads to this machine (DNS rebinding) has its own name in Host.
 */
export function hostsOf({ host, port }: Door): Set<string> {
  const isEverywhere = host === '0.0.0.0' || host === '::';
  const own = isEverywhere ? everyName() : [host];
  const names = isLoopback(host) || isEverywhere ? ['127.0.0.1', 'localhost', '::1', ...own] : own;
  const bare = names.map((name) => (name.includes(':') ? `[${name}]` : name).toLowerCase());
  return new Set(bare.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`])));
}

function everyName(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((all = []) =>
    all.map(({ address }) => address),
  );
  return [...addresses, hostname(), `${hostname()}.local`];
}

/** @throws Refusal when the request names another host, or comes from another page */
export function checkOrigin({ headers }: IncomingMessage, hosts: Set<string>): void {
  const host = headers.host?.toLowerCase() ?? '';
  if (!hosts.has(host))
    throw new Refusal(403, `Expected a request to ${[...hosts][0]}, but its Host is "${host.slice(0, 200)}"`);
  const { origin } = headers;
  if (origin !== undefined && !hosts.has(origin.toLowerCase().replace(/^http:\/\//, '')))
    throw new Refusal(
      403,
      `Expected a request from this server's own page, but its Origin is "${origin.slice(0, 200)}"`,
    );
}

/** @throws Refusal when a token is needed and is not there */
export function checkToken({ headers }: IncomingMessage, token: string | undefined): void {
  if (token === undefined) return;
  const [, given = ''] = /^Bearer (.+)$/i.exec(headers.authorization ?? '') ?? [];
  const hash = (text: string) => createHash('sha256').update(text).digest();
  if (timingSafeEqual(hash(given), hash(token))) return;
  throw new Refusal(
    401,
    'Expected the token that this server printed when it was started, as "Authorization: Bearer TOKEN"',
    { 'www-authenticate': 'Bearer' },
  );
}
