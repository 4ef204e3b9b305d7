/** The ways a page may go: a webhook, a command, a notification of the Mac. */
import { execFile, spawn } from 'node:child_process';
import { request } from '../base/request.ts';
import type { Page, Severity } from './alert.ts';

/** Delivers a page. Rejects with {@link Refused} where trying again is in vain, else with any error. */
export interface Channel {
  /** For a person; holds no secret. */
  name: string;
  deliver(page: Page): Promise<void>;
}

/** The other side does not want it. */
export class Refused extends Error {}

/** The other side wants it later. */
export class Later extends Error {
  readonly seconds: number;

  constructor(message: string, seconds: number) {
    super(message);
    this.seconds = seconds;
  }
}

export const shapes = ['auto', 'json', 'slack', 'discord', 'ntfy'] as const;
export type Shape = (typeof shapes)[number];

/** A server that does not answer is given up after so long. */
const ANSWER_MS = 10_000;

/** Posts to `url`; its shape is told by the host where it is `auto`. The URL may hold a secret and is never told. */
export function webhook(url: URL, shape: Shape): Channel {
  const encode = encoders[shape === 'auto' ? shapeOf(url) : shape];
  return {
    name: 'the webhook (BIRBS_WEBHOOK)',
    async deliver(page) {
      const { body, headers } = encode(page);
      const signal = AbortSignal.timeout(ANSWER_MS);
      // A page goes where it was sent to and nowhere else.
      const answer = await request(url, { method: 'POST', body, headers, signal, redirect: 'manual' }).catch(
        (error: Error) => {
          throw new Error(causeOf(error));
        },
      );
      await answer.body?.cancel();
      if (answer.ok) return;
      const told = `it answered ${answer.status}`;
      const after = Number(answer.headers.get('retry-after'));
      if (answer.status === 429 || answer.status === 503)
        throw new Later(told, Number.isFinite(after) ? after : 0);
      if (answer.status < 500 && answer.status !== 408) throw new Refused(told);
      throw new Error(told);
    },
  };
}

/** Why a request failed, without its address. */
function causeOf(error: Error): string {
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? (error.name === 'TimeoutError' ? 'no answer' : 'it can not be reached');
}

function shapeOf({ hostname }: URL): Exclude<Shape, 'auto'> {
  const isOf = (domain: string) => hostname === domain || hostname.endsWith(`.${domain}`);
  if (isOf('slack.com')) return 'slack';
  if (isOf('discord.com') || isOf('discordapp.com')) return 'discord';
  return isOf('ntfy.sh') ? 'ntfy' : 'json';
}

type Encoder = (page: Page) => { body: string; headers: Record<string, string> };

const asJson = (value: unknown) => ({
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
});

/** Of a Discord message. */
const DISCORD_LIMIT = 2000;
const NTFY_PRIORITIES: Record<Severity, string> = { info: '3', warning: '4', critical: '5' };

const encoders: Record<Exclude<Shape, 'auto'>, Encoder> = {
  json: asJson,
  slack: ({ title, text }) => asJson({ text: `*${escapeSlack(title)}*\n${escapeSlack(text)}` }),
  discord: ({ title, text }) =>
    asJson({
      content: `**${title}**\n${text}`.slice(0, DISCORD_LIMIT),
      // File names may look like @everyone.
      allowed_mentions: { parse: [] },
    }),
  ntfy: ({ title, text, severity, kind }) => ({
    body: text,
    // Headers are ASCII.
    headers: { title: ascii(title), priority: NTFY_PRIORITIES[severity], tags: ascii(kind) },
  }),
};

/** See "Escaping text" in Slack's reference. */
function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function ascii(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}

/** A command that takes longer is ended. */
const COMMAND_MS = 30_000;

/** Runs a command of the user's in a shell: the page as JSON on its standard input. */
export function command(line: string): Channel {
  return {
    name: 'the command of --page-command',
    deliver: (page) =>
      new Promise((resolve, reject) => {
        const child = spawn(line, { shell: true, stdio: ['pipe', 'ignore', 'ignore'], timeout: COMMAND_MS });
        // It need not read.
        child.stdin.on('error', () => {});
        child.stdin.end(`${JSON.stringify(page)}\n`);
        child.on('error', reject);
        child.on('close', (code, signal) =>
          code === 0 ? resolve() : reject(new Refused(`it ended with ${code ?? signal}`)),
        );
      }),
  };
}

/** The notification centre of macOS. */
export const notification: Channel = {
  name: 'the notification',
  deliver: ({ title, text }) =>
    new Promise((resolve, reject) => {
      // Text goes in as an argument: what is in a file's name is no script.
      const script = 'on run {text, title}\ndisplay notification text with title title\nend run';
      execFile('osascript', ['-e', script, text, title], { timeout: ANSWER_MS }, (error) =>
        error ? reject(new Refused('osascript failed')) : resolve(),
      );
    }),
};
