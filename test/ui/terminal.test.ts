/** The command in a pseudo terminal, as a person uses it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pictureFolder, temporaryFolder } from '../images.ts';
import { ScreenText } from './screen_text.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder('terminal');
const photos = join(folder, 'photos');
const started: ChildProcess[] = [];
beforeAll(() => pictureFolder(photos, 20, 20));
afterAll(() => {
  // After a test that failed.
  for (const child of started) child.kill('SIGHUP');
  rmSync(folder, { recursive: true });
});

/** `script` gives a pseudo terminal; that of util-linux and that of macOS differ. */
const hasScript = spawnSync('script', ['--version']).error === undefined;
if (!hasScript) console.warn('No `script` here: the live view is tested with a made-up terminal only.');

/** Starts a command line in a terminal of 80 x 24; what a person sees is `screen`. */
function inTerminal(line: string) {
  const sized = `stty cols 80 rows 24; ${line}`;
  const words =
    process.platform === 'darwin'
      ? ['-q', '/dev/null', 'sh', '-c', sized]
      : ['--quiet', '--return', '--command', sized, '/dev/null'];
  const env: NodeJS.ProcessEnv = { ...process.env, TERM: 'xterm-256color', TZ: 'UTC', CI: '' };
  // Elsewhere than in the clone: nothing may depend on its tsconfig.json.
  const child = spawn('script', words, { env, cwd: folder });
  started.push(child);
  const screen = new ScreenText();
  let all = '';
  let look = () => {};
  child.stdout.on('data', (part) => {
    all += part;
    screen.write(String(part));
    look();
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  /** Resolves when the screen shows it. */
  const see = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      look = () => pattern.test(screen.text) && resolve();
      look();
      void ended.then(() => reject(new Error(`It ended without ${pattern}:\n${all}`)));
    });
  return { screen, ended, see, type: (keys: string) => child.stdin.write(keys), written: () => all };
}

const node = `'${process.execPath}' --import '${import.meta.resolve('tsx')}' '${join(root, 'src/train.ts')}'`;
const words = (run: string, more: string) =>
  `--data ${photos} --image-size 16 --batch-size 8 --device cpu --threads 1 --cache ${join(folder, 'cache')} --lock ${join(folder, 'lock.json')} --run ${join(folder, run)} ${more}`;

describe.runIf(hasScript)('in a terminal', () => {
  test('views, help, pause and stop: saved, the screen given back, a summary left', async () => {
    const shell = inTerminal(`${node} ${words('night', '--epochs 100000')}`);
    await shell.see(/training[\s\S]* best [\s\S]*balanced accuracy/);
    expect([shell.screen.isOwn, shell.screen.hasCursor]).toEqual([true, false]);
    shell.type('v');
    await shell.see(/taken for/);
    shell.type('?');
    await shell.see(/this help, and back/);
    shell.type('?p');
    await shell.see(/paused[\s\S]*p resume/);
    shell.type('p');
    await shell.see(/training[\s\S]*p pause/);
    shell.type('q');
    expect(await shell.ended).toBe(130);
    expect([shell.screen.isOwn, shell.screen.hasCursor]).toEqual([false, true]);
    const [, after] = shell.written().split('\x1b[?1049l');
    expect(after).toMatch(/Training on cpu [\s\S]*Interrupted after \d+ epochs and \d+ steps/);
    expect(after!.replaceAll('\r', '')).toContain(`resume with --resume ${join(folder, 'night')}\n`);
    expect(existsSync(join(folder, 'night/last.safetensors'))).toBe(true);
    const { status } = JSON.parse(readFileSync(join(folder, 'night/results.json'), 'utf8'));
    expect(status).toBe('interrupted');
  });

  test('the end stays until a key; an error is told on the screen of before', async () => {
    const shell = inTerminal(`${node} ${words('short', '--epochs 1')}`);
    await shell.see(/done[\s\S]*any other key leaves/);
    shell.type(' ');
    expect(await shell.ended).toBe(0);
    const again = inTerminal(`${node} ${words('short', '--epochs 1')} --resume nowhere; stty -a; exit 7`);
    expect(await again.ended).toBe(7);
    expect(again.screen.isOwn).toBe(false);
    expect(again.written()).toMatch(/Error: [\s\S]*[^-]icanon[\s\S]*[^-]echo /);
  });
});
