/** What the environment says about Kaggle: the names and places of Kaggle's own tools. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import type { HubSettings } from '../hub/hub_settings.ts';

const WHERE = 'make one on https://www.kaggle.com/settings under API';

/** What a request needs to know; Kaggle packs an archive before it sends it, which may take a while. */
export type KaggleSettings = HubSettings;

/** @throws UserError for a value that can't be used; keys are never shown */
export function kaggleSettings(env: NodeJS.ProcessEnv = process.env): KaggleSettings {
  return {
    endpoint: endpointOf(env.KAGGLE_API_ENDPOINT || 'https://www.kaggle.com'),
    authorization: authorizationOf(env),
    cacheDir: '',
    offline: false,
    idleSeconds: 60,
    pauseMs: 500,
  };
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '') {
    return url.href.replace(/\/+$/, '');
  }
  throw new UserError(
    `Expected an address such as https://www.kaggle.com in KAGGLE_API_ENDPOINT, but found "${text}"; set it right or unset it`,
  );
}

/** The header of an account: a token, or a name and key; from the environment, else from the files of Kaggle's tools. */
function authorizationOf(env: NodeJS.ProcessEnv): string | undefined {
  const folder = env.KAGGLE_CONFIG_DIR || join(env.HOME || homedir(), '.kaggle');
  if (env.KAGGLE_API_TOKEN) return bearer(env.KAGGLE_API_TOKEN, 'KAGGLE_API_TOKEN');
  if (env.KAGGLE_USERNAME && env.KAGGLE_KEY) {
    return basic(env.KAGGLE_USERNAME, env.KAGGLE_KEY, 'KAGGLE_USERNAME and KAGGLE_KEY');
  }
  if (env.KAGGLE_USERNAME || env.KAGGLE_KEY) {
    const [has, lacks] = env.KAGGLE_KEY
      ? ['KAGGLE_KEY', 'KAGGLE_USERNAME']
      : ['KAGGLE_USERNAME', 'KAGGLE_KEY'];
    throw new UserError(
      `Expected ${lacks} beside ${has}, but it is not set; set both, or KAGGLE_API_TOKEN alone`,
    );
  }
  const token = readText(join(folder, 'access_token'));
  if (token) return bearer(token, join(folder, 'access_token'));
  return fromJson(join(folder, 'kaggle.json'));
}

function fromJson(path: string): string | undefined {
  const text = readText(path);
  if (!text) return undefined;
  try {
    const { username, key } = JSON.parse(text);
    if (typeof username === 'string' && typeof key === 'string') return basic(username, key, path);
  } catch (error) {
    if (error instanceof UserError) throw error;
  }
  throw new UserError(
    `Expected {"username": ..., "key": ...} in ${path}, but found something else; ${WHERE}`,
  );
}

function bearer(token: string, where: string): string {
  return `Bearer ${oneWord(token, where)}`;
}

function basic(username: string, key: string, where: string): string {
  const pair = `${oneWord(username, where)}:${oneWord(key, where)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

function oneWord(text: string, where: string): string {
  const word = text.trim();
  if (/^[\x21-\x7e]{1,1000}$/.test(word)) return word;
  throw new UserError(`Expected a key of one word in ${where}, but found something else; ${WHERE}`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
