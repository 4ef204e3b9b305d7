/** package.json of this package. */
import { readFileSync } from 'node:fs';

interface PackageJson {
  version: string;
  devDependencies: Record<string, string>;
}

export function packageJson(): PackageJson {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as PackageJson;
}

export function version(): string {
  return packageJson().version;
}
