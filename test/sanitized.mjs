// `npm run test:sanitized`, on Linux: test/native and the faults of test/mpsgraph through an addon and a stand-in built
// with AddressSanitizer and UndefinedBehaviorSanitizer, by clang. A finding ends its process, and so the test.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = join(root, 'build', 'asan');
const addon = join(build, 'Release', 'birbs.node');

/** @param {string} command @param {string[]} args */
function run(command, args, env = {}, stdio = 'inherit') {
  const done = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    stdio: /** @type {import('node:child_process').StdioOptions} */ (stdio),
  });
  if (done.status !== 0) {
    console.error(`${command} failed: ${done.error ?? done.stderr ?? done.signal ?? done.status}`);
    process.exit(1);
  }
  return done.stdout ?? '';
}

const clang = ['19', '18', '17', '16']
  .map((version) => `clang++-${version}`)
  .find((name) => spawnSync(name, ['--version']).status === 0);
if (!clang) {
  console.error('clang 16 or newer is missing; run `node src/setup.mjs --standin`, then try again');
  process.exit(1);
}
const options = {
  BIRBS_STANDIN: 'ON',
  BIRBS_ONEDNN: 'OFF',
  BIRBS_SANITIZE: 'address,undefined',
  CMAKE_CXX_COMPILER: clang,
  CMAKE_OBJCXX_COMPILER: clang,
  CMAKE_SHARED_LINKER_FLAGS: '-shared-libasan',
};
const words = ['-O', build, ...Object.entries(options).map(([name, value]) => `--CD${name}=${value}`)];
const cmakeJs = join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js');
run(process.execPath, [cmakeJs, 'configure', ...words]);
run(process.execPath, [cmakeJs, 'build', ...words, '--target', 'birbs', '--parallel', '2']);

// Node.js is not built with it, so the runtime has to come first. Leaks: V8's are not ours.
const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const runtime = run(clang, [`-print-file-name=libclang_rt.asan-${machine}.so`], {}, 'pipe').trim();
const vitest = [
  join(root, 'node_modules', 'vitest', 'vitest.mjs'),
  'run',
  '--config',
  'test/vitest.config.ts',
];
const asked = process.argv.slice(2);
const tests = asked.length > 0 ? asked : ['test/native', 'test/mpsgraph/faults'];
run(process.execPath, [...vitest, '--testTimeout=600000', ...tests], {
  LD_PRELOAD: runtime,
  ASAN_OPTIONS: 'detect_leaks=0',
  UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  BIRBS_ADDON: addon,
  BIRBS_STANDIN_ADDON: addon,
});
