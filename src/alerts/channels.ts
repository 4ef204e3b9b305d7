/** Where alerts are sent: a webhook, a command, the notification centre of macOS. */
import { execFile, spawn } from 'node:child_process';
import { request } from '../base/request.ts';
import type { Alert, Severity } from './alert.ts';

/** Delivers an alert. Rejects with {@link Refused} if a retry would be pointless, with any other error if not. */
export interface Channel {
  /** Shown to the user; holds no secret. */
  name: string;
  deliver(alert: Alert): Promise<void>;
}

/** The receiver rejected the alert for good. */
export class Refused extends Error {}

/** The receiver asked to be retried later. */
export class Later extends Error {
  readonly seconds: number;

  constructor(message: string, seconds: number) {
    super(message);
    this.seconds = seconds;
  }
}

export const shapes = ['auto', 'json', 'slack', 'discord', 'ntfy'] as const;
export type Shape = (typeof shapes)[number];

/** Time limit of a request. */
const ANSWER_MS = 10_000;

/** Posts to `url`. With `auto`, the host decides the shape. The URL may hold a secret and is never shown. */
export function webhook(url: URL, shape: Shape): Channel {
  const encode = encoders[shape === 'auto' ? shapeOf(url) : shape];
  return {
    name: 'the webhook (BIRBS_WEBHOOK)',
    async deliver(alert) {
      const { body, headers } = encode(alert);
      const signal = AbortSignal.timeout(ANSWER_MS);
      // A redirect could send the alert to another host.
      const answer = await request(url, { method: 'POST', body, headers, signal, redirect: 'manual' }).catch(
        (error: Error) => {
          throw new Error(causeOf(error));
        },
      );
      await answer.body?.cancel();
      if (answer.ok) return;
      const reason = `it answered ${answer.status}`;
      const after = Number(answer.headers.get('retry-after'));
      if (answer.status === 429 || answer.status === 503)
        throw new Later(reason, Number.isFinite(after) ? after : 0);
      if (answer.status < 500 && answer.status !== 408) throw new Refused(reason);
      throw new Error(reason);
    },
  };
}

/** Why a request failed, without its address. */
function causeOf(error: Error): string {
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? (error.name === 'TimeoutError' ? 'no answer' : 'it cannot be reached');
}

function shapeOf({ hostname }: URL): Exclude<Shape, 'auto'> {
  const isOf = (domain: string) => hostname === domain || hostname.endsWith(`.${domain}`);
  if (isOf('slack.com')) return 'slack';
  if (isOf('discord.com') || isOf('discordapp.com')) return 'discord';
  return isOf('ntfy.sh') ? 'ntfy' : 'json';
}

type Encoder = (alert: Alert) => { body: string; headers: Record<string, string> };

const asJson = (value: unknown) => ({
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
});

/** Characters of a Discord message. */
const DISCORD_LIMIT = 2000;
const NTFY_PRIORITIES: Record<Severity, string> = { info: '3', warning: '4', critical: '5' };

const encoders: Record<Exclude<Shape, 'auto'>, Encoder> = {
  json: asJson,
  slack: ({ title, text }) => asJson({ text: `*${escapeSlack(title)}*\n${escapeSlack(text)}` }),
  discord: ({ title, text }) =>
    asJson({
      content: `**${title}**\n${text}`.slice(0, DISCORD_LIMIT),
      // File names may contain @everyone.
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

/** A command that takes longer is killed. */
const COMMAND_MS = 30_000;

/** Runs the user's command in a shell, with the alert as JSON on its standard input. */
export function command(line: string): Channel {
  return {
    name: 'the command of --page-command',
    deliver: (alert) =>
      new Promise((resolve, reject) => {
        const child = spawn(line, { shell: true, stdio: ['pipe', 'ignore', 'ignore'], timeout: COMMAND_MS });
        // The command may close its standard input without reading it.
        child.stdin.on('error', () => {});
        child.stdin.end(`${JSON.stringify(alert)}\n`);
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
      // The texts are arguments, so that a file name cannot become part of the script.
      const script = 'on run {text, title}\ndisplay notification text with title title\nend run';
      execFile('osascript', ['-e', script, text, title], { timeout: ANSWER_MS }, (error) =>
        error ? reject(new Refused('osascript failed')) : resolve(),
      );
    }),
};
