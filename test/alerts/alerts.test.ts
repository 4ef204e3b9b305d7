/** Alerts against a server of this machine that fails in every way. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Alert } from '../../src/alerts/alert.ts';
import { openAlertQueue } from '../../src/alerts/alert_queue.ts';
import { command, type Shape, webhook } from '../../src/alerts/channels.ts';
import { startHeartbeat } from '../../src/alerts/heartbeat.ts';
import { openAlerts } from '../../src/alerts/open_alerts.ts';

interface Heard {
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

let server: Server;
let heard: Heard[] = [];
/** What the server does with each request in turn; then it answers 200. */
let plan: (number | 'drop' | 'hang')[] = [];
let headers: Record<string, string> = {};

beforeEach(async () => {
  [heard, plan, headers] = [[], [], {}];
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
      heard.push({ url: request.url!, headers: request.headers, body });
      const next = plan.shift() ?? 200;
      if (next === 'drop') request.socket.destroy();
      else if (next !== 'hang') response.writeHead(next, headers).end('answer');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const url = (path = '/hook/SECRET') =>
  new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
const alert = (kind = 'loss-jump', severity: Alert['severity'] = 'warning') => ({
  ...{
    severity,
    kind,
    title: `title of ${kind}`,
    text: 'in <photos>/@everyone & "ü.jpg"',
    run: 'runs/night',
  },
});
const quick = { repeatMs: 1e6, retryMs: 5, longestRetryMs: 20, closeMs: 10_000 };
const open = (shape: Shape = 'json', times = quick) => openAlertQueue([webhook(url(), shape)], 'info', times);

describe('shapes', () => {
  const deliver = async (shape: Shape) => {
    const queue = open(shape);
    queue.send(alert());
    expect(await queue.close()).toEqual([]);
    return heard[0]!;
  };

  test('json', async () => {
    const { body, headers } = await deliver('json');
    expect(headers['content-type']).toBe('application/json');
    expect(JSON.parse(body)).toEqual({ ...alert(), at: expect.stringMatching(/^\d{4}-.*Z$/) });
  });

  test('slack', async () => {
    const { body } = await deliver('slack');
    expect(JSON.parse(body)).toEqual({
      text: '*title of loss-jump*\nin &lt;photos&gt;/@everyone &amp; "ü.jpg"',
    });
  });

  test('discord: nobody is mentioned', async () => {
    expect(JSON.parse((await deliver('discord')).body)).toMatchObject({
      content: expect.stringContaining('**title of loss-jump**\n'),
      allowed_mentions: { parse: [] },
    });
  });

  test('ntfy', async () => {
    const { body, headers } = await deliver('ntfy');
    expect(body).toBe(alert().text);
    expect(headers).toMatchObject({ title: 'title of loss-jump', priority: '4', tags: 'loss-jump' });
  });
});

describe('the queue', () => {
  test('tries again while the server fails, and keeps the order', async () => {
    plan = [500, 'drop', 503, 429, 200];
    const queue = open();
    queue.send(alert('first'));
    queue.send(alert('second'));
    await vi.waitFor(() => expect(heard).toHaveLength(6), 5000);
    expect(heard.map(({ body }) => JSON.parse(body).kind)).toEqual([...Array(5).fill('first'), 'second']);
    expect(await queue.close()).toEqual([]);
  });

  test('the same kind once, and how many more there were', async () => {
    const queue = open('json', { ...quick, repeatMs: 50 });
    for (let i = 0; i < 4; i++) queue.send(alert());
    queue.send(alert('other'));
    await new Promise((resolve) => setTimeout(resolve, 80));
    queue.send(alert());
    await queue.close();
    expect(heard.map(({ body }) => JSON.parse(body).kind)).toEqual(['loss-jump', 'other', 'loss-jump']);
    expect(JSON.parse(heard[2]!.body).text).toContain('(and 3 more of this kind since the last alert)');
  });

  test('what is refused is not sent again', async () => {
    plan = [404];
    const queue = open();
    queue.send(alert('first'));
    queue.send(alert('second'));
    await vi.waitFor(() => expect(heard).toHaveLength(2), 5000);
    expect(await queue.close()).toEqual([
      'Not delivered: "title of first" (the webhook (BIRBS_WEBHOOK): it answered 404)',
    ]);
  });

  test('a redirect is not followed', async () => {
    plan = [302];
    headers = { location: '/elsewhere' };
    const queue = open();
    queue.send(alert());
    expect(await queue.close()).toEqual([expect.stringContaining('it answered 302')]);
    expect(heard.map(({ url }) => url)).toEqual(['/hook/SECRET']);
  });

  test('a server that never answers holds nobody up, and its address stays secret', async () => {
    plan = ['hang'];
    const queue = open('json', { ...quick, closeMs: 300 });
    queue.send(alert());
    const begin = performance.now();
    const [message] = await queue.close();
    expect(performance.now() - begin).toBeLessThan(5000);
    expect(message).toBe('Not delivered: "title of loss-jump" (the webhook (BIRBS_WEBHOOK): no answer yet)');
  });

  test('a machine that is offline: one more try at the end', async () => {
    plan = ['drop'];
    const queue = open('json', { ...quick, retryMs: 1e6, longestRetryMs: 1e6 });
    queue.send(alert());
    await vi.waitFor(() => expect(heard).toHaveLength(1), 5000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await queue.close()).toEqual([]);
    expect(heard).toHaveLength(2);
  });

  test('below the least severity nothing is told', async () => {
    const queue = openAlertQueue([webhook(url(), 'json')], 'critical', quick);
    queue.send(alert('a', 'warning'));
    queue.send(alert('b', 'critical'));
    await queue.close();
    expect(heard.map(({ body }) => JSON.parse(body).kind)).toEqual(['b']);
  });

  test('a server that is down for long keeps a bounded number', async () => {
    plan = Array(10_000).fill(500);
    const queue = open('json', { ...quick, repeatMs: 0 });
    for (let i = 0; i < 500; i++) queue.send(alert(`kind ${i}`));
    const lost = await queue.close();
    expect(lost).toHaveLength(100);
    expect(lost.at(-1)).toContain('title of kind 499');
  });
});

const folder = mkdtempSync(join(tmpdir(), 'birbs-alerts-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a command reads the alert; one that fails is reported', async () => {
  const file = join(folder, 'alert.json');
  const queue = openAlertQueue([command(`cat > '${file}'`), command('exit 3')], 'info', quick);
  queue.send(alert());
  expect(await queue.close()).toEqual([
    'Not delivered: "title of loss-jump" (the command of --page-command: it ended with 3)',
  ]);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject(alert());
});

test('the heartbeat beats, and tells how it ended', async () => {
  plan = [200, 500, 'drop'];
  const heartbeat = startHeartbeat(url('/beat'), 20);
  await vi.waitFor(() => expect(heard.length).toBeGreaterThan(3), 5000);
  await heartbeat.end(false);
  expect(heard.at(-1)!.url).toBe('/beat/fail');
  const other = startHeartbeat(url('/beat'), 1e6);
  await other.end(true);
  expect(heard.slice(-2).map(({ url }) => url)).toEqual(['/beat', '/beat']);
});

test('addresses come from the environment, and a wrong one is refused without showing it', () => {
  const options = { page: 'auto', pageFrom: 'info', pageCommand: undefined } as const;
  expect(() => openAlerts(options, { BIRBS_WEBHOOK: 'hooks.example/SECRET' }, 'linux')).toThrow(
    /^Expected BIRBS_WEBHOOK to be an http or https URL, but found something else; correct it or unset it$/,
  );
  expect(() => openAlerts(options, { BIRBS_HEARTBEAT: 'file:///etc/passwd' }, 'linux')).toThrow(
    /BIRBS_HEARTBEAT/,
  );
  expect(openAlerts(options, {}, 'linux').heartbeat).toBeUndefined();
});
