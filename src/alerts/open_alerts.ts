/** Opens the alert channels that options and environment ask for. */

import { UserError } from '../base/errors.ts';
import type { Severity } from './alert.ts';
import { type AlertQueue, openAlertQueue } from './alert_queue.ts';
import { type Channel, command, notification, type Shape, webhook } from './channels.ts';
import { type Heartbeat, startHeartbeat } from './heartbeat.ts';

export interface Alerts {
  queue: AlertQueue;
  heartbeat: Heartbeat | undefined;
}

export interface AlertOptions {
  /** Format of the webhook's body. */
  page: Shape;
  /** Alerts below this severity are not sent. */
  pageFrom: Severity;
  pageCommand?: string | undefined;
}

/**
 * Opens the channels and the heartbeat. `BIRBS_WEBHOOK` and `BIRBS_HEARTBEAT` are URLs that may hold secrets: they come
 * from the environment only and are neither shown nor stored.
 * @throws UserError, exit code 2, if one of them is not an http or https URL
 */
export function openAlerts(
  { page, pageFrom, pageCommand }: AlertOptions,
  env: NodeJS.ProcessEnv = process.env,
  platform: string = process.platform,
): Alerts {
  const hook = addressOf(env, 'BIRBS_WEBHOOK');
  const beat = addressOf(env, 'BIRBS_HEARTBEAT');
  const channels: Channel[] = [];
  if (hook) channels.push(webhook(hook, page));
  if (pageCommand !== undefined) channels.push(command(pageCommand));
  if (platform === 'darwin') channels.push(notification);
  return { queue: openAlertQueue(channels, pageFrom), heartbeat: beat && startHeartbeat(beat) };
}

/** Checks the environment early. @throws UserError, exit code 2, if a variable is not an http or https URL */
export function checkAddresses(env: NodeJS.ProcessEnv = process.env): void {
  for (const name of ['BIRBS_WEBHOOK', 'BIRBS_HEARTBEAT']) addressOf(env, name);
}

function addressOf(env: NodeJS.ProcessEnv, name: string): URL | undefined {
  const text = env[name];
  if (!text) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  // The value may hold a secret, so it is not shown.
  throw new UserError(
    `Expected ${name} to be an http or https URL, but found something else; correct it or unset it`,
    2,
  );
}
