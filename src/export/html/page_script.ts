/** The script of an exported page: as it is in dist/, bundled from its TypeScript in a clone. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

let script: string | undefined;

export function pageScript(): string {
  script ??= import.meta.url.endsWith('.ts')
    ? bundled(fileURLToPath(new URL('./browser/page_app.ts', import.meta.url)))
    : readFileSync(new URL('./page_app.js', import.meta.url), 'utf8');
  return script;
}

/** A clone has esbuild; an installed package never comes here. As `npm/dist.mjs` does it. */
function bundled(path: string): string {
  const { buildSync }: typeof import('esbuild') = createRequire(import.meta.url)('esbuild');
  const { outputFiles } = buildSync({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
  });
  return outputFiles[0]!.text;
}
