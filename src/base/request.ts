/** `fetch` through the proxy of the environment, which Node.js ignores before version 24. */
import type { EnvHttpProxyAgent, RequestInit as UndiciInit } from 'undici';
import { UserError } from './errors.ts';

/** One agent per proxy: it keeps connections open. */
const agents = new Map<string, EnvHttpProxyAgent>();

/**
 * As `fetch`, with HTTPS_PROXY, HTTP_PROXY and NO_PROXY as in curl; lower case takes precedence. Requests to https URLs
 * are tunnelled through the proxy.
 * @throws UserError if the proxy's URL is invalid or the proxy refuses; other errors have `proxy`, its host, as property
 */
export async function request(address: string | URL, init: RequestInit = {}): Promise<Response> {
  const proxy = proxyFor(new URL(address), process.env);
  if (!proxy) return fetch(address, init);
  // Node's own fetch accepts only agents of its own undici version.
  const undici = await import('undici');
  const noProxy = process.env.no_proxy || process.env.NO_PROXY || '';
  const key = `${proxy.href} ${noProxy}`;
  const agent =
    agents.get(key) ??
    new undici.EnvHttpProxyAgent({
      httpProxy: proxy.href,
      httpsProxy: proxy.href,
      noProxy,
      // As curl does: many proxies refuse tunnels for plain http.
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
      `The proxy ${proxy.host} refused the connection to ${new URL(address).host} (status ${refusal}); ` +
        'check the user name and password in HTTPS_PROXY (http://NAME:PASSWORD@HOST:PORT), or ask its administrator',
    );
  }
}

/** The innermost cause of an error. */
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
  // The value may hold a password, so it is not shown.
  throw new UserError(
    `Expected a URL such as http://proxy.example.com:3128 in ${name}, but found something else; correct it or unset it`,
  );
}
