// `npm run test:kernels`: the vector kernels of native/portable against plain loops, under each instruction set that
// this processor has and, with g++-aarch64-linux-gnu and qemu-user, under NEON.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = ['simd', 'portable/gemm', 'portable/halving', 'portable/pooling', 'portable/threads'];

/** @param {string} command @param {string[]} args */
function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    ...{ cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' },
  });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? status}`);
}

/** @param {string} command */
const has = (command) => spawnSync(command, ['--version']).status === 0;

const folder = mkdtempSync(join(tmpdir(), 'birbs-kernels-'));
try {
  /** @param {string} compiler @param {string[]} options */
  const build = (compiler, options = []) => {
    const program = join(folder, compiler);
    const files = ['test/native/portable_kernels.cpp', ...sources.map((name) => `native/${name}.cpp`)];
    const flags = ['-std=c++20', '-O3', '-fno-math-errno', '-Wall', '-Wextra', '-Inative', '-pthread'];
    run(compiler, [...flags, ...options, ...files, '-o', program]);
    return program;
  };
  const program = build('c++');
  // A limit beyond what the processor has is none.
  for (const limit of process.arch === 'x64' ? ['SSE41', 'AVX2', 'AVX512_CORE'] : ['']) {
    run(program, [], limit ? { ONEDNN_MAX_CPU_ISA: limit } : {});
  }
  const canCross = has('aarch64-linux-gnu-g++') && has('qemu-aarch64');
  if (canCross) run('qemu-aarch64', [build('aarch64-linux-gnu-g++', ['-static'])]);
  else if (process.arch === 'x64')
    process.stdout.write('NEON: not tested (g++-aarch64-linux-gnu and qemu-user are missing)\n');
} finally {
  rmSync(folder, { recursive: true });
}
