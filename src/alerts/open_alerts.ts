/** What is told to whom: from options and environment to channels. */

import { UserError } from '../base/errors.ts';
import type { Severity } from './alert.ts';
import { openPager, type Pager } from './alert_queue.ts';
import { type Channel, command, notification, type Shape, webhook } from './channels.ts';
import { type Heartbeat, startHeartbeat } from './heartbeat.ts';

export interface Paging {
  pager: Pager;
  heartbeat: Heartbeat | undefined;
}

export interface AlertOptions {
  /** Shape of what the webhook gets. */
  page: Shape;
  /** Alerts below this severity are not sent. */
  pageFrom: Severity;
  pageCommand?: string | undefined;
}

/**
 * Opens what the options and the environment ask for: `BIRBS_WEBHOOK` and `BIRBS_HEARTBEAT` are addresses that may hold
 * secrets, so they come from the environment alone and are neither told nor stored.
 * @throws UserError, exit code 2, when one of them is no http address
 */
export function openPaging(
  { page, pageFrom, pageCommand }: AlertOptions,
  env: NodeJS.ProcessEnv = process.env,
  platform: string = process.platform,
): Paging {
  const hook = addressOf(env, 'BIRBS_WEBHOOK');
  const beat = addressOf(env, 'BIRBS_HEARTBEAT');
  const channels: Channel[] = [];
  if (hook) channels.push(webhook(hook, page));
  if (pageCommand !== undefined) channels.push(command(pageCommand));
  if (platform === 'darwin') channels.push(notification);
  return { pager: openPager(channels, pageFrom), heartbeat: beat && startHeartbeat(beat) };
}

/** @throws UserError, exit code 2, when the environment holds what is no address; before anything is begun */
export function checkAddresses(env: NodeJS.ProcessEnv = process.env): void {
  for (const name of ['BIRBS_WEBHOOK', 'BIRBS_HEARTBEAT']) addressOf(env, name);
}

function addressOf(env: NodeJS.ProcessEnv, name: string): URL | undefined {
  const text = env[name];
  if (!text) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  // Not shown: there may be a secret in it.
  throw new UserError(
    `Expected ${name} to be an http or https address, but it is none; correct it or unset it`,
    2,
  );
}
