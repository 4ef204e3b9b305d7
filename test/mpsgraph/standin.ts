/** The addon on the MPSGraph stand-in, in processes of its own: an abort is a failed test and not a lost run. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';
import { birbsLike } from '../native/networks.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
/** `npm test` builds it first, by `node src/setup.mjs --standin`. */
export const standinAddon = process.env.BIRBS_STANDIN_ADDON ?? `${root}/build/standin/Release/birbs.node`;

/** Fails where the stand-in could not be built; what was missing stands at the start of `npm test`. */
export function needStandin(file = standinAddon): void {
  if (existsSync(file)) return;
  throw new Error(
    `Expected the MPSGraph stand-in at ${file} but found none; run \`node src/setup.mjs --standin\`, which says why it can't be built.`,
  );
}

/** Tests on the stand-in. On a Mac there is none: test/native runs on the real frameworks. */
export function describeStandin(name: string, body: () => void): void {
  if (process.platform === 'linux') {
    describe(name, body);
    return;
  }
  it(`${name}: not tested on ${process.platform}, the stand-in is for Linux`, () => {
    console.warn(`${name}: not tested on ${process.platform}, the stand-in is for Linux`);
  });
}

export interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Runs Node.js; `BIRBS_ADDON` is the stand-in's addon, and nothing of this test run's own environment goes along. */
export function runNode(args: string[], env: NodeJS.ProcessEnv = {}, timeout = 55_000): Promise<Ended> {
  needStandin();
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|BIRBS_STANDIN_)/.test(name));
  const options = {
    cwd: root,
    timeout,
    maxBuffer: 1 << 28,
    env: { ...Object.fromEntries(own), BIRBS_ADDON: standinAddon, ...env },
  };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, options, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr });
    });
  });
}

/** What `body`, an async function's with `addon` and `options` of a session on metal, returns through JSON. */
export async function onStandin<T>(body: string, env: NodeJS.ProcessEnv = {}): Promise<T> {
  const options = {
    device: 'metal',
    network: birbsLike(16, 16, 2, [4, 8, 8]),
    seed: 3,
    batchSize: 8,
    threads: 1,
    optimizer: { kind: 'adamw' },
  };
  const script = `
    const addon = require(process.env.BIRBS_ADDON);
    const options = ${JSON.stringify(options)};
    (async () => { ${body} })().then((answer) => process.stdout.write(JSON.stringify(answer)));`;
  const { code, signal, stdout, stderr } = await runNode(['-e', script], env);
  if (code !== 0) throw new Error(`the process ended with ${signal ?? code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
