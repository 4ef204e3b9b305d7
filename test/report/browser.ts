/** A headless Chromium, if the machine has one, spoken to over a pipe by its own protocol. */
import { spawn, spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

const NAMES = [
  process.env.BIRBS_CHROMIUM,
  'chromium',
  'google-chrome',
  'chromium-browser',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

export interface View {
  width: number;
  height?: number;
  dark?: boolean;
}

export interface Browser {
  /** Shows a file; answers with what was asked for over the network and with what the page complained of. */
  open(url: string, view: View): Promise<{ requests: string[]; complaints: string[] }>;
  evaluate(expression: string): Promise<unknown>;
  /** As a person does: Enter on what has the focus; a click at a place of the window. */
  pressEnter(): Promise<void>;
  /** A key by its name, as of KeyboardEvent: "1", "u", "ArrowRight". */
  press(key: string): Promise<void>;
  /** Chooses files in the file input that a selector finds. */
  chooseFiles(selector: string, paths: string[]): Promise<void>;
  click(x: number, y: number): Promise<void>;
  /** PNG of the whole page. */
  screenshot(): Promise<Buffer>;
  /** PDF, as printed. */
  print(): Promise<Buffer>;
  close(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: each question of the protocol has an answer of its own shape
type Answer = Record<string, any>;

interface Message {
  id?: number;
  method?: string;
  params?: Answer;
  result?: Answer;
  error?: unknown;
}

/** Undefined where there is none. */
export async function openBrowser(profile: string): Promise<Browser | undefined> {
  const name = NAMES.find((name) => name && spawnSync(name, ['--version']).status === 0);
  if (!name) return undefined;
  const words = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    '--remote-debugging-pipe',
  ];
  const child = spawn(name, [...words, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const call = caller(child.stdio[3] as Writable, child.stdio[4] as Readable);
  const { targetInfos } = await call.send('Target.getTargets');
  const { targetId } = (targetInfos as { type: string; targetId: string }[]).find(
    ({ type }) => type === 'page',
  )!;
  const { sessionId } = await call.send('Target.attachToTarget', { targetId, flatten: true });
  const send = (method: string, params: object = {}) => call.send(method, params, sessionId);
  for (const domain of ['Page', 'Network', 'Log', 'Runtime']) await send(`${domain}.enable`);
  return {
    async open(url, { width, height = 900, dark = false }) {
      const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
      await send('Emulation.setEmulatedMedia', { features });
      await send('Emulation.setDeviceMetricsOverride', {
        width,
        height,
        deviceScaleFactor: 1,
        mobile: width < 600,
      });
      call.seen.length = 0;
      const loaded = call.next('Page.loadEventFired');
      await send('Page.navigate', { url });
      await loaded;
      const of = (method: string) => call.seen.filter((message) => message.method === method);
      return {
        requests: of('Network.requestWillBeSent').map(({ params }) => params!.request.url),
        complaints: of('Log.entryAdded').map(({ params }) => params!.entry.text),
      };
    },
    async evaluate(expression) {
      const { result } = await send('Runtime.evaluate', { expression, returnByValue: true });
      return result.value;
    },
    async pressEnter() {
      const key = { key: 'Enter', code: 'Enter', text: '\r', windowsVirtualKeyCode: 13 };
      for (const type of ['keyDown', 'keyUp']) await send('Input.dispatchKeyEvent', { type, ...key });
    },
    async press(key) {
      const text = key.length === 1 ? { text: key } : {};
      for (const type of ['keyDown', 'keyUp'])
        await send('Input.dispatchKeyEvent', { type, key, ...(type === 'keyDown' ? text : {}) });
    },
    async chooseFiles(selector, files) {
      const { root } = await send('DOM.getDocument');
      const { nodeId } = await send('DOM.querySelector', { nodeId: root.nodeId, selector });
      await send('DOM.setFileInputFiles', { nodeId, files });
    },
    async click(x, y) {
      const button = { x, y, button: 'left', clickCount: 1 };
      for (const type of ['mousePressed', 'mouseReleased'])
        await send('Input.dispatchMouseEvent', { type, ...button });
    },
    async screenshot() {
      const { data } = await send('Page.captureScreenshot', { captureBeyondViewport: true });
      return Buffer.from(data!, 'base64');
    },
    async print() {
      const { data } = await send('Page.printToPDF', {});
      return Buffer.from(data!, 'base64');
    },
    async close() {
      await call.send('Browser.close').catch(() => {});
      await ended;
    },
  };
}

/** Messages are JSON, each ended by a zero byte. */
function caller(input: Writable, output: Readable) {
  const waiting = new Map<number, (message: Message) => void>();
  const expected: { method: string; resolve: () => void }[] = [];
  const seen: Message[] = [];
  let rest = '';
  let count = 0;
  // It is ended while it writes.
  for (const pipe of [input, output]) pipe.on('error', () => {});
  output.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\0');
    rest = parts.pop()!;
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      if (message.id === undefined) {
        seen.push(message);
        expected.find(({ method }) => method === message.method)?.resolve();
      } else waiting.get(message.id)?.(message);
    }
  });
  const next = (method: string) =>
    new Promise<void>((resolve) => {
      const one = { method, resolve: () => resolve(void expected.splice(expected.indexOf(one), 1)) };
      expected.push(one);
    });
  const send = (method: string, params: object = {}, sessionId?: string) =>
    new Promise<Answer>((resolve, reject) => {
      const id = ++count;
      waiting.set(id, ({ result, error }) => {
        waiting.delete(id);
        if (error) reject(new Error(`${method}: ${JSON.stringify(error)}`));
        else resolve(result!);
      });
      input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  return { send, next, seen };
}
