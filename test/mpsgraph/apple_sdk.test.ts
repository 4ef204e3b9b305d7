/**
 * Compiles and links all of the addon for a Mac against Apple's own headers, warnings as errors. Opt-in: BIRBS_MACOS_SDK
 * is the folder of a macOS SDK (`MacOSX13.3.sdk`; newer is fine). Needs clang and lld. Skips aloud without it.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root } from './standin.ts';

const sdk = process.env.BIRBS_MACOS_SDK;
if (!sdk) console.warn('BIRBS_MACOS_SDK names no SDK of a Mac: not compiled against its headers.');

const run = promisify(execFile);

/** Sources by folder, as CMakeLists.txt takes them on Apple silicon. */
function sources(): string[] {
  const folders = ['binding', 'native', 'native/portable', 'native/no_cpu', 'native/metal'];
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => /\.(cpp|mm)$/.test(name))
      .map((name) => join(root, folder, name)),
  );
}

const flags = [
  ...[
    '-target',
    'arm64-apple-macos13.0',
    '-isysroot',
    sdk ?? '',
    '-std=c++20',
    '-fblocks',
    '-fvisibility=hidden',
  ],
  ...['-Wall', '-Wextra', '-Werror', '-Werror=unguarded-availability', '-Wno-error=deprecated-declarations'],
  ...['-fno-math-errno', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION', '-DBIRBS_BLAS="Accelerate"'],
  ...['native', 'node_modules/node-api-headers/include', 'node_modules/node-addon-api'].map(
    (folder) => `-I${join(root, folder)}`,
  ),
];
const frameworks = [
  ...[
    'Foundation',
    'CoreGraphics',
    'Metal',
    'MetalPerformanceShaders',
    'MetalPerformanceShadersGraph',
    'Accelerate',
  ],
].flatMap((name) => ['-framework', name]);

describe.skipIf(!sdk)("all of the addon against Apple's SDK", () => {
  it('compiles without a warning, and links with nothing undefined but Node-API', {
    timeout: 900_000,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'birbs-sdk-'));
    const clang = process.env.CXX ?? 'clang++';
    const objects: string[] = [];
    const failed: string[] = [];
    for (const [i, source] of sources().entries()) {
      const object = join(folder, `${i}.o`);
      objects.push(object);
      await run(clang, [...flags, '-c', source, '-o', object]).catch((error) => failed.push(error.stderr));
    }
    expect(failed.join('\n')).toBe('');
    const addon = join(folder, 'birbs.node');
    const link = [...flags, '-fuse-ld=lld', '-bundle', '-undefined', 'dynamic_lookup', ...frameworks];
    await run(clang, [...link, ...objects, '-o', addon]);
    const { stdout } = await run('llvm-nm', ['--undefined-only', '--format=just-symbols', addon]).catch(() =>
      run('llvm-nm-19', ['--undefined-only', '--format=just-symbols', addon]),
    );
    const ours = stdout.split('\n').filter((symbol) => symbol.includes('birbs'));
    rmSync(folder, { recursive: true });
    expect(ours).toEqual([]);
  });
});
