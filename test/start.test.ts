import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { isFresh } from '../src/setup/build_addon.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

// From dist/ or from the sources, whichever is there. `--force` is an option of the training, not of the setup. `npm
// test` has built the addon; elsewhere this would begin with a build.
test.skipIf(!isFresh())('npm start finds all in place and hands its words to the training', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/start.mjs', '--force', '--help'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout).toContain('npm start -- [options]');
  expect(status).toBe(0);
});

test.each(['train', 'data check', 'export', 'doctor'])(
  'birbs-metal %s --help says what the command says itself',
  (name) => {
    const words = name.split(' ');
    const cli = ['--import', 'tsx', 'src/cli.ts', ...words, '--help'];
    const { status, stdout } = spawnSync(process.execPath, cli, { cwd: root, encoding: 'utf8' });
    expect(stdout).toContain(`npx birbs-metal ${name}`);
    expect(stdout).toMatch(/^ +--/m);
    expect(status).toBe(0);
  },
);
