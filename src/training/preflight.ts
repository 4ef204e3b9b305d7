/**
 * Whether the GPU can be trusted with a network: before a run takes it, a child process takes whole training steps of
 * this network at this batch size on the GPU and by the portable kernels. Apple's library ends the process where it meets
 * what it does not expect, which only a child survives.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { saveJson } from '../base/files.ts';
import { version } from '../base/version.ts';
import { addonHash, type DeviceInfo, type SessionOptions } from '../model/addon.ts';

export type DepthwiseRoute = NonNullable<SessionOptions['depthwise']>;

/** What the child answers: empty `why` where all agrees. */
export interface RouteVerdict {
  why: string;
  /** Of one step on the GPU. */
  seconds: number;
  /** Whether it was a fault that may not come again. */
  isTransient?: boolean;
}

/** What a check came to; kept in the cache folder. */
export interface Verdict {
  /** Empty where the GPU can be trusted, else what was wrong. */
  why: string;
  /** The faster of the routes that are right. */
  depthwise: DepthwiseRoute;
  /** Of a step, by route; null where it is wrong. */
  seconds: Partial<Record<DepthwiseRoute, number | null>>;
  /** Whether an earlier run has found it. */
  cached: boolean;
  /** Where it is kept: whoever removes the file has it checked again. */
  file: string;
}

export interface PreflightOptions {
  /** Of the session that the run would open, `device` metal. */
  session: SessionOptions;
  gpu: DeviceInfo;
  /** Weights to begin with; default the first ones of the seed. */
  values?: Float32Array | undefined;
  cacheDir: string;
  /** Whether to compare predictions alone, instead of whole training steps. */
  predictOnly?: boolean;
  /** Called before a check, which may take minutes; not where an earlier run has found the answer. */
  onStart?: () => void;
  signal?: AbortSignal | undefined;
}

/** Compiling a large network takes Apple's library a while, and the portable kernels are slow. */
const SECONDS = 300;

/** @throws the signal's reason when it is aborted */
export async function preflight(options: PreflightOptions): Promise<Verdict> {
  const folder = join(options.cacheDir, 'preflight');
  const name = `${await keyOf(options)}.json`;
  const file = join(folder, name);
  const kept = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as Pick<Verdict, 'why' | 'depthwise' | 'seconds'>,
    () => undefined,
  );
  if (typeof kept?.why === 'string') return { ...kept, cached: true, file };
  options.onStart?.();
  const { isTransient, ...verdict } = await check(options);
  if (isTransient) return { ...verdict, cached: false, file };
  await mkdir(folder, { recursive: true })
    .then(() => saveJson(folder, name, verdict))
    // Where it can't be kept, the next run checks again.
    .catch(() => {});
  return { ...verdict, cached: false, file };
}

/** Everything that decides the answer, but the weights. */
async function keyOf({ session, gpu, predictOnly }: PreflightOptions): Promise<string> {
  const { network, batchSize, precision, optimizer, labelSmoothing, clipNorm, classWeights } = session;
  const { layers, input, normalization, classNames } = network;
  const facts = [version(), await addonHash(), gpu.gpu, release()];
  const run = [layers, input, normalization, classNames.length, batchSize, precision ?? 'fp32', optimizer];
  const loss = [labelSmoothing, clipNorm, classWeights?.length];
  return createHash('sha256')
    .update(JSON.stringify([...facts, ...run, ...loss, predictOnly === true]))
    .digest('hex')
    .slice(0, 32);
}

async function check(
  options: PreflightOptions,
): Promise<Pick<Verdict, 'why' | 'depthwise' | 'seconds'> & { isTransient: boolean }> {
  const routes: DepthwiseRoute[] = hasDepthwise(options) ? ['groups', 'operations'] : ['groups'];
  const found: [DepthwiseRoute, RouteVerdict][] = [];
  for (const route of routes) found.push([route, await askChild(options, route)]);
  const right = found.filter(([, { why }]) => why === '').sort((a, b) => a[1].seconds - b[1].seconds);
  const [best] = right;
  return {
    why: best ? '' : found[0]![1].why,
    depthwise: best ? best[0] : 'groups',
    isTransient: found.some(([, verdict]) => verdict.isTransient === true),
    seconds: Object.fromEntries(
      found.map(([route, { why, seconds }]) => [route, why === '' ? seconds : null]),
    ),
  };
}

function hasDepthwise({ session }: PreflightOptions): boolean {
  return session.network.layers.some((layer) => layer.type === 'conv2d' && (layer.groups ?? 1) > 1);
}

/** What the child reads from its standard input: this as a line of JSON, then the weights as they are. */
export interface PreflightRequest {
  session: SessionOptions;
  /** Of the weights; 0: none are given. */
  values: number;
  predictOnly: boolean;
}

/** Node.js options without which a TypeScript file does not run; others, as `-e`, are of this process alone. */
function loaders(script: string): string[] {
  if (!script.endsWith('.ts')) return [];
  const words = process.execArgv;
  return words.flatMap((word, i) => {
    if (/^(--import|--require|--loader)=/.test(word)) return [word];
    return /^(--import|--require|--loader|-r)$/.test(word) ? [word, words[i + 1]!] : [];
  });
}

/** One route, in a process of its own. Never rejects but for the signal: a child that dies or hangs is an answer. */
function askChild(options: PreflightOptions, route: DepthwiseRoute): Promise<RouteVerdict> {
  const { session, values, predictOnly = false, signal } = options;
  const here = fileURLToPath(import.meta.url);
  const script = here.replace(/preflight(\.[a-z]+)$/, 'preflight_child$1');
  const seconds = Number(process.env.BIRBS_PREFLIGHT_SECONDS ?? SECONDS);
  const child = spawn(process.execPath, [...loaders(script), script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    timeout: seconds * 1000,
    killSignal: 'SIGKILL',
    ...(signal ? { signal } : {}),
  });
  const request: PreflightRequest = {
    session: { ...session, depthwise: route },
    values: values?.length ?? 0,
    predictOnly,
  };
  // A child that ends early closes it.
  child.stdin.on('error', () => {});
  child.stdin.write(`${JSON.stringify(request)}\n`);
  child.stdin.end(values && new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const failed = (why: string): RouteVerdict => ({ why, seconds: 0 });
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      if (signal?.aborted) reject(signal.reason);
      else resolve(failed(`its process could not be started: ${error.message}`));
    });
    child.on('close', (code, ended) => {
      const [line = ''] = stderr.trim().split('\n');
      if (code === 0) resolve(JSON.parse(stdout) as RouteVerdict);
      else if (ended === 'SIGKILL' && child.killed) resolve(failed(`no answer within ${seconds} s`));
      else resolve(failed(`its process ended with ${ended ?? code}${line ? `: ${line}` : ''}`));
    });
  });
}
