/** The package as an empty folder gets it: the tarball of `npm pack`, with the clone's packages linked beside it. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Packs, and installs into `folder/node_modules` without running the install script. Returns the package's folder. */
export function installPacked(folder: string): string {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root, stdio: 'pipe' });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
  const installed = join(folder, 'node_modules/birbs-metal');
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  mkdirSync(installed);
  execFileSync('tar', ['xzf', join(folder, tarball), '--strip-components=1', '-C', installed]);
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) linkPackage(folder, name);
  chmodSync(join(installed, 'dist/cli.js'), 0o755);
  symlinkSync('../birbs-metal/dist/cli.js', join(folder, 'node_modules/.bin/birbs-metal'));
  return installed;
}

/** Installs a package of the clone. */
export function linkPackage(folder: string, name: string): void {
  const place = join(folder, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(join(root, 'node_modules', name), place);
}

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface Options {
  cwd: string;
  env?: Record<string, string>;
  uid?: number | undefined;
  onStderr?: (stderr: string) => void;
}

/** Runs a program to its end. An environment variable that is set to nothing is removed. */
export function runToEnd(program: string, words: string[], { cwd, env, uid, onStderr }: Options) {
  const merged = Object.entries({ ...process.env, ...env }).filter(([, value]) => value !== '');
  const child = spawn(program, words, { cwd, env: Object.fromEntries(merged), uid });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (outcome.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => {
    outcome.stderr += text;
    onStderr?.(outcome.stderr);
  });
  return new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...outcome, code }));
  });
}
