/**
 * Tests under each instruction set that this processor has, as older ones would run them.
 *
 *     npm run test:isa               # all of the numeric tests
 *     npx tsx test/isa.ts AVX2 test/native/operations.test.ts
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { loadAddon } from '../src/model/addon.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');

/** Values of ONEDNN_MAX_CPU_ISA, and what oneDNN and our own kernels then say of themselves. */
export const limits = new Map([
  ['SSE41', { oneDnn: 'SSE 4.1', ours: 'SSE2' }],
  ['AVX2', { oneDnn: 'AVX2', ours: 'AVX2' }],
  ['AVX512_CORE', { oneDnn: 'AVX-512', ours: 'AVX-512' }],
]);

/** The limits up to what this processor has; none where it is no x86. */
export async function limitsHere(): Promise<string[]> {
  const portable = (await loadAddon().devices()).find(({ name }) => name === 'portable')!;
  const names = [...limits.keys()];
  const best = names.findIndex((name) => portable.description.endsWith(limits.get(name)!.ours));
  return names.slice(0, best + 1);
}

/** Runs test files under a limit; without one under none. `output` is empty where all passed. */
export function runLimited(
  limit: string | undefined,
  files: string[],
): Promise<{ code: number | null; output: string }> {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^VITEST|_MAX_CPU_ISA$|^FORCE_COLOR$/.test(name),
  );
  // The oldest instructions take longer.
  const options = ['--config', 'test/vitest.config.ts', '--reporter=dot', '--testTimeout=180000'];
  const args = [vitest, 'run', ...options, ...files];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: {
      ...Object.fromEntries(own),
      NO_COLOR: '1',
      // Versions of oneDNN before 2.5 know the second name only.
      ...(limit && { ONEDNN_MAX_CPU_ISA: limit, DNNL_MAX_CPU_ISA: limit }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const words = process.argv.slice(2);
  const chosen = words.filter((word) => limits.has(word));
  const files = words.filter((word) => !limits.has(word));
  const all = ['test/native', 'test/model', 'test/predict.test.ts'];
  for (const limit of chosen.length > 0 ? chosen : [...(await limitsHere()), undefined]) {
    const { code, output } = await runLimited(limit, files.length > 0 ? files : all);
    if (code !== 0) process.stdout.write(output);
    const counts = /^ +(Tests .*)/m.exec(output)?.[1] ?? 'no tests ran';
    process.stdout.write(`${limit ?? 'no limit'}: ${counts}\n`);
    if (code !== 0) process.exitCode = 1;
  }
}
