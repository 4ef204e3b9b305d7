/** `fetch`, through the proxy that the environment names: Node's own knows of none before version 24. */
import type { EnvHttpProxyAgent, RequestInit as UndiciInit } from 'undici';
import { UserError } from './errors.ts';

/** One for each proxy: it keeps connections open. */
const agents = new Map<string, EnvHttpProxyAgent>();

/**
 * As `fetch`. HTTPS_PROXY, HTTP_PROXY and NO_PROXY mean what they mean to others, lower case first; what is asked of an
 * https address is encrypted all the way through the proxy.
 * @throws UserError for a proxy that can't be one, or refuses; a failure beyond that has `proxy`, the host of it
 */
export async function request(address: string | URL, init: RequestInit = {}): Promise<Response> {
  const proxy = proxyFor(new URL(address), process.env);
  if (!proxy) return fetch(address, init);
  // Node's fetch takes no agent of another version of undici than its own.
  const undici = await import('undici');
  const noProxy = process.env.no_proxy || process.env.NO_PROXY || '';
  const key = `${proxy.href} ${noProxy}`;
  const agent =
    agents.get(key) ??
    new undici.EnvHttpProxyAgent({
      ...{ httpProxy: proxy.href, httpsProxy: proxy.href, noProxy },
      // As other programs do: many proxies refuse a tunnel to what is not encrypted anyway.
      proxyTunnel: false,
    });
  agents.set(key, agent);
  try {
    const answer = await undici.fetch(address, { ...(init as UndiciInit), dispatcher: agent });
    return answer as unknown as Response;
  } catch (error) {
    const [, refusal] = /^Proxy response \((4\d\d)\)/.exec(firstCause(error as Error).message) ?? [];
    if (refusal === undefined) throw Object.assign(error as Error, { proxy: proxy.host });
    throw new UserError(
      `The proxy ${proxy.host} does not lead to ${new URL(address).host} (it answers ${refusal}); ` +
        'put the right name and password into HTTPS_PROXY (http://NAME:PASSWORD@HOST:PORT), or ask who runs it',
    );
  }
}

/** What is behind an error, and behind that. */
export function firstCause(error: Error): Error {
  return error.cause instanceof Error ? firstCause(error.cause) : error;
}

const THIS_MACHINE = /^(localhost|127(\.\d+){3}|\[::1\])$/;

function proxyFor({ protocol, hostname }: URL, env: NodeJS.ProcessEnv): URL | undefined {
  if (THIS_MACHINE.test(hostname)) return undefined;
  const name = protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = env[name.toLowerCase()] || env[name];
  if (!text) return undefined;
  const full = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return url;
  // It may hold a password.
  throw new UserError(
    `Expected an address such as http://proxy.example.com:3128 in ${name}, but found something else; set it right or unset it`,
  );
}
