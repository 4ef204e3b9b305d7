/** One request to the hub: redirects, the token, silence on the line. */
import { UserError } from '../../base/errors.ts';
import { firstCause, request } from '../../base/request.ts';
import { version } from '../../base/version.ts';
import { HubFailure } from './http_failure.ts';
import type { HubSettings } from './hub_settings.ts';
import { waitOf } from './retry.ts';

const HOPS = 5;

/** Largest body that is drained so that the connection can be reused. */
const DRAINED_BYTES = 65_536;

export interface HubRequest {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}

/** An answer of the last host that was asked, good or not. */
export interface HubAnswer {
  status: number;
  headers: Headers;
  /** Where it came from in the end. */
  url: URL;
  /** The hash that the hub itself gave for the file, on its way to another host. */
  linkedEtag?: string;
  /** The body; ends with an error when it is cut or nothing comes. */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Lets go of the body. */
  drop(): Promise<void>;
}

/**
 * Makes one request and follows redirects; the token is sent to the hub only, not to redirect targets.
 * @throws HubFailure when there is no answer with a good status
 */
export async function ask(address: string, wanted: HubRequest, settings: HubSettings): Promise<HubAnswer> {
  let url = onEndpoint(new URL(address), settings);
  let linkedEtag: string | undefined;
  for (let hop = 0; hop <= HOPS; hop++) {
    const answer = await askHost(url, wanted, settings);
    linkedEtag ??= answer.headers.get('X-Linked-ETag')?.replace(/^(W\/)?"|"$/g, '');
    if (![301, 302, 303, 307, 308].includes(answer.status)) {
      if (answer.status >= 200 && answer.status < 300) return { ...answer, linkedEtag };
      throw await failureOf(answer, settings);
    }
    await answer.drop();
    url = nextOf(url, answer.headers.get('Location'), settings);
  }
  const path = new URL(address).pathname;
  throw new HubFailure(`redirects in a circle for ${path}`, { passing: false, host: url.host });
}

function nextOf(from: URL, location: string | null, settings: HubSettings): URL {
  const failure = (problem: string) => new HubFailure(problem, { passing: false, host: from.host });
  if (!location || !URL.canParse(location, from.href)) throw failure('redirects to nowhere');
  const next = onEndpoint(new URL(location, from), settings);
  if (next.protocol !== 'https:' && next.protocol !== from.protocol) {
    throw failure(`redirects to the unsafe address ${next.protocol}//${next.host}`);
  }
  return next;
}

/** A mirror's answers may speak of the hub itself. */
function onEndpoint(url: URL, { endpoint }: HubSettings): URL {
  if (url.origin !== 'https://huggingface.co') return url;
  return new URL(endpoint + url.pathname + url.search);
}

async function failureOf(answer: HubAnswer, settings: HubSettings): Promise<HubFailure> {
  const { status, headers, url } = answer;
  await answer.drop();
  const atHome = url.origin === new URL(settings.endpoint).origin;
  // An address at another host ages; asked again, the hub gives a new one.
  const passing = [408, 429, 500, 502, 503, 504].includes(status) || (status === 403 && !atHome);
  const code = headers.get('X-Error-Code') ?? undefined;
  const wait = status === 429 || status === 503 ? waitOf(headers) : undefined;
  return new HubFailure(`answers ${status}${code ? ` (${code.slice(0, 50)})` : ''}`, {
    passing,
    status,
    code,
    host: url.host,
    detail: headers.get('X-Error-Message')?.slice(0, 200),
    waitSeconds: wait,
  });
}

async function askHost(
  url: URL,
  { method, headers, body, signal }: HubRequest,
  { endpoint, token, authorization = token && `Bearer ${token}`, idleSeconds }: HubSettings,
): Promise<HubAnswer> {
  const line = new Line(url, idleSeconds, signal);
  const home = url.origin === new URL(endpoint).origin;
  const all = {
    'User-Agent': `birbs-metal/${version()}`,
    ...headers,
    ...(authorization && home ? { Authorization: authorization } : {}),
  };
  const response = await line.waitFor(
    request(url, { method, headers: all, body, redirect: 'manual', signal: line.signal }),
    { isFirst: true },
  );
  const reader = response.body?.getReader();
  const drop = async () => {
    let drained = Number(response.headers.get('Content-Length') ?? 0);
    try {
      while (reader && drained < DRAINED_BYTES) {
        const { done, value } = await line.waitFor(reader.read());
        if (done) break;
        drained += value.length;
      }
      await reader?.cancel();
    } catch {
      // It was not wanted anyway.
    }
    line.end();
  };
  async function* chunks() {
    try {
      while (reader) {
        const { done, value } = await line.waitFor(reader.read());
        if (done) return;
        yield value as Uint8Array;
      }
    } finally {
      await reader?.cancel().catch(() => {});
      line.end();
    }
  }
  return { status: response.status, headers: response.headers, url, chunks, drop };
}

/** A connection that is watched: it ends when nothing comes for too long, or on the user's word. */
class Line {
  readonly #controller = new AbortController();
  readonly #url: URL;
  readonly #idleSeconds: number;
  readonly #outer: AbortSignal | undefined;
  readonly #stop = () => this.#controller.abort();

  constructor(url: URL, idleSeconds: number, outer: AbortSignal | undefined) {
    [this.#url, this.#idleSeconds, this.#outer] = [url, idleSeconds, outer];
    outer?.throwIfAborted();
    outer?.addEventListener('abort', this.#stop);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Only waiting for the other side counts as silence, not what is done here in between.
   * @param options `isFirst`: nothing has come over this line yet
   */
  async waitFor<T>(work: Promise<T>, { isFirst = false } = {}): Promise<T> {
    let silent = false;
    const timer = setTimeout(() => {
      silent = true;
      this.#controller.abort();
    }, this.#idleSeconds * 1000);
    try {
      return await work;
    } catch (error) {
      this.end();
      this.#outer?.throwIfAborted();
      if (error instanceof UserError) throw error;
      throw silent ? this.#silence(isFirst) : this.#failure(error);
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#outer?.removeEventListener('abort', this.#stop);
  }

  #silence(isFirst: boolean): HubFailure {
    const { host } = this.#url;
    // Who never answers at all may as well not be there.
    return new HubFailure(`sent nothing for ${this.#idleSeconds} s`, {
      passing: true,
      host,
      unreachable: isFirst,
    });
  }

  #failure(error: unknown): HubFailure {
    const { host } = this.#url;
    const { code, message } = firstCause(error as Error) as NodeJS.ErrnoException;
    const { proxy } = error as { proxy?: string };
    // The proxy's answers are already sentences.
    const reason = proxy ? `${message} through the proxy ${proxy}` : (code ?? message);
    const unreachable =
      /^(ECONNREFUSED|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|E(NET|HOST)UNREACH|UND_ERR_CONNECT_TIMEOUT)$/;
    if (unreachable.test(code ?? '')) {
      return new HubFailure(`can't be reached (${reason})`, { passing: true, host, unreachable: true });
    }
    const certificate = /CERT|TLS|SSL|SELF_SIGNED|ALTNAME/.test(reason);
    return new HubFailure(
      certificate ? `has an invalid certificate (${reason})` : `broke the connection (${reason})`,
      { passing: !certificate, host },
    );
  }
}
