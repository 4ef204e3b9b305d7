/** Starts the parquet worker's thread: from dist/, or bundled from TypeScript in a clone. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

const require = createRequire(import.meta.url);

/** In a clone: parquet_worker and what it imports, for all threads of this process. */
let bundle: string | undefined;

export function startWorker(options: WorkerOptions): Worker {
  if (!import.meta.url.endsWith('.ts'))
    return new Worker(new URL('./parquet_worker.js', import.meta.url), options);
  bundle ??= bundled(fileURLToPath(new URL('./parquet_worker.ts', import.meta.url)));
  return new Worker(bundle, { ...options, eval: true });
}

/**
 * A clone has esbuild; an installed package never comes here. Not tsx's loader, since every thread would load it again,
 * which doubles the time to its first answer.
 */
function bundled(path: string): string {
  const { buildSync }: typeof import('esbuild') = require('esbuild');
  const { outputFiles } = buildSync({
    entryPoints: [path],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    external: ['apache-arrow', 'parquet-wasm'],
    // A script without a file would look for packages in the working directory.
    banner: { js: `require = require('node:module').createRequire(${JSON.stringify(path)});` },
  });
  return outputFiles[0]!.text;
}
