/** A page in headless Chromium, driven over the DevTools protocol; for what only a browser can tell. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** The browser of this machine, if it has one. */
export const chromium = names.find((name) => spawnSync(name, ['--version']).status === 0);

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

export interface BrowserPage {
  /** The value of an expression in the page; a promise is awaited. */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression is true. */
  until(expression: string): Promise<void>;
  chooseFiles(selector: string, files: string[]): Promise<void>;
  /** Addresses that were asked for, and what the console says. */
  requests: string[];
  complaints: string[];
  close(): Promise<void>;
}

export async function openPage(url: string): Promise<BrowserPage> {
  const profile = mkdtempSync(join(tmpdir(), 'birbs-chromium-'));
  const words = ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe'];
  const camera = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
  const child = spawn(chromium!, [...words, ...camera, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const [to, from] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number, (message: Message) => void>();
  const [requests, complaints]: [string[], string[]] = [[], []];
  let [text, sent]: [string, number] = ['', 0];
  let sessionId: string | undefined;
  from.setEncoding('utf8').on('data', (more) => {
    const parts = (text + more).split('\0');
    text = parts.pop()!;
    for (const part of parts) take(JSON.parse(part));
  });

  function take(message: Message): void {
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    if (message.method === 'Network.requestWillBeSent')
      requests.push((message.params!.request as { url: string }).url);
    if (message.method === 'Log.entryAdded' || message.method === 'Runtime.exceptionThrown')
      complaints.push(JSON.stringify(message.params));
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers of the protocol, as its documentation has them
  function send(method: string, params: object = {}): Promise<any> {
    const id = ++sent;
    to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) =>
      waiting.set(id, ({ result, error }) => (error ? reject(new Error(error.message)) : resolve(result!))),
    );
  }

  const { targetInfos } = await send('Target.getTargets');
  const { targetId } = targetInfos.find(({ type }: { type: string }) => type === 'page');
  ({ sessionId } = await send('Target.attachToTarget', { targetId, flatten: true }));
  for (const domain of ['Page', 'Runtime', 'Network', 'Log', 'DOM']) await send(`${domain}.enable`);
  await send('Page.navigate', { url });

  const page: BrowserPage = {
    ...{ requests, complaints },
    async evaluate(expression) {
      const options = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
      const { result, exceptionDetails } = await send('Runtime.evaluate', options);
      if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
      return result.value;
    },
    async until(expression) {
      const end = Date.now() + 40_000;
      while (!(await page.evaluate(`Boolean(${expression})`))) {
        if (Date.now() > end) throw new Error(`${expression} did not become true`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async chooseFiles(selector, files) {
      const { root } = await send('DOM.getDocument');
      const { nodeId } = await send('DOM.querySelector', { nodeId: root.nodeId, selector });
      await send('DOM.setFileInputFiles', { nodeId, files });
    },
    async close() {
      const ended = new Promise((resolve) => child.on('exit', resolve));
      child.kill();
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return page;
}
