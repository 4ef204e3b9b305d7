// `npm run test:apple`: what Apple declares as a judge of native/metal. Fetches the objc2 crates through cargo, and
// compiles against the SDK that BIRBS_MACOS_SDK names.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const folder = mkdtempSync(join(tmpdir(), 'birbs-crates-'));
const names = ['objc2-metal', 'objc2-metal-performance-shaders', 'objc2-metal-performance-shaders-graph'];
const crate = '[package]\nname = "fetch"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n';
mkdirSync(join(folder, 'src'));
writeFileSync(join(folder, 'src', 'lib.rs'), '');
writeFileSync(join(folder, 'Cargo.toml'), crate + names.map((name) => `${name} = "=0.3.2"\n`).join(''));
const fetched = spawnSync('cargo', ['fetch'], { cwd: folder, stdio: 'inherit' });
if (fetched.status !== 0) console.error('cargo could not fetch the crates; their test is skipped');
rmSync(folder, { recursive: true });
const words = ['vitest', 'run', '--config', 'test/vitest.config.ts', 'test/mpsgraph/apple_'];
process.exitCode = spawnSync('npx', words, { stdio: 'inherit' }).status ?? 1;
