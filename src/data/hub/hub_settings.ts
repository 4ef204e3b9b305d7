/** What the environment says about the hub: the names and defaults of Hugging Face's own tools. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { getHFHubCachePath, HUB_URL } from '@huggingface/hub';
import { UserError } from '../../base/errors.ts';

export interface HubSettings {
  /** Of the hub or a mirror of it, without a slash at the end. */
  endpoint: string;
  token?: string;
  /** The header in place of the token's, for a service that knows its users otherwise. */
  authorization?: string;
  /** The folder that all tools of Hugging Face share. */
  cacheDir: string;
  /** Nothing is asked of the network. */
  offline: boolean;
  /** A connection without data for this long is aborted. */
  idleSeconds: number;
  /** Pause after the first failure; it doubles with each that follows. */
  pauseMs: number;
}

/** @throws UserError for a value that can't be used */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  return {
    endpoint: endpointOf(env.HF_ENDPOINT || HUB_URL),
    token: tokenOf(env),
    cacheDir: getHFHubCachePath(),
    offline: /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? ''),
    idleSeconds: secondsOf(env.HF_HUB_DOWNLOAD_TIMEOUT || '10'),
    pauseMs: 500,
  };
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '') {
    return url.href.replace(/\/+$/, '');
  }
  throw new UserError(
    `Expected an address such as https://huggingface.co in HF_ENDPOINT, but found "${text}"; set it right or unset it`,
  );
}

function tokenOf(env: NodeJS.ProcessEnv): string | undefined {
  const home =
    env.HF_HOME || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'huggingface');
  const token = (env.HF_TOKEN || readToken(env.HF_TOKEN_PATH || join(home, 'token'))).trim();
  if (token === '') return undefined;
  if (/^[\x21-\x7e]{1,1000}$/.test(token)) return token;
  // The token itself is not shown.
  throw new UserError('Expected one word such as hf_... in HF_TOKEN, but found something else; set it again');
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 3600) return seconds;
  throw new UserError(
    `Expected seconds, up to 3600, in HF_HUB_DOWNLOAD_TIMEOUT, but found "${text}"; set it right or unset it`,
  );
}
