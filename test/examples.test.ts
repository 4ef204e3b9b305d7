/** Every program in examples/, as a reader runs it, on small pictures. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { picture, pictureFolder, temporaryFolder } from './images.ts';
import { root, runToEnd } from './packed.ts';

const folder = temporaryFolder('examples');
const tsx = fileURLToPath(import.meta.resolve('tsx'));
// tsx finds 'birbs-metal' by the paths of the clone's tsconfig.json.
const env = { TSX_TSCONFIG_PATH: join(root, 'tsconfig.json'), XDG_CACHE_HOME: join(folder, 'cache') };
const words = (name: string, args: string[]) => ['--import', tsx, join(root, 'examples', name), ...args];
const run = async (name: string, ...args: string[]) => {
  const { code, stdout, stderr } = await runToEnd(process.execPath, words(name, args), { cwd: folder, env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
};

let trained = '';
beforeAll(async () => {
  await pictureFolder(join(folder, 'photos'), 20, 20);
  trained = await run('train_and_print.ts', 'photos', 'run');
});
afterAll(() => rmSync(folder, { recursive: true }));

test('train_and_print.ts', () => {
  expect(trained.match(/^epoch [123]: loss \d+\.\d{3}, balanced accuracy \d+\.\d%$/gm)).toHaveLength(3);
  expect(trained).toContain('done: the weights are in run\n');
});

test('read_results.ts', async () => {
  const printed = await run('read_results.ts', 'run');
  expect(printed.match(/^[123]\t\d+\.\d{3}\t\d+\.\d{3}$/gm)).toHaveLength(3);
  expect(printed).toMatch(/^done: bird, not-bird\nbest epoch [123]: balanced accuracy .*\(95% interval/m);
});

test('sort_photos.ts', async () => {
  const counts = (await run('sort_photos.ts', 'photos', 'run')).matchAll(/^(?:bird|not-bird): (\d+)$/gm);
  expect([...counts].reduce((sum, [, count]) => sum + Number(count), 0)).toBe(40);
});

test('custom_network.ts', async () => {
  expect(await run('custom_network.ts')).toMatch(
    /^step 30: loss 0\.0\d\d, 32 of 32 right\nbright with probability/m,
  );
});

test('predict_server.ts', async () => {
  const options = { cwd: folder, env: { ...process.env, ...env } };
  const server = spawn(process.execPath, words('predict_server.ts', ['run', '0']), options);
  try {
    const [line] = await once(server.stdout.setEncoding('utf8'), 'data');
    const address = /http\S+/.exec(line)![0];
    const post = (body: Uint8Array<ArrayBuffer>) => fetch(address, { method: 'POST', body });
    const answer = await (await post(new Uint8Array(await picture(true, 3)))).json();
    expect(answer).toMatchObject({ guess: expect.stringMatching(/^(not-)?bird$/) });
    const refused = await post(new Uint8Array([1, 2, 3]));
    expect([refused.status, await refused.json()]).toEqual([400, { error: expect.any(String) }]);
  } finally {
    server.kill();
    await once(server, 'exit');
  }
});

test('each example has its test', () => {
  const tested = [
    'custom_network.ts',
    'predict_server.ts',
    'read_results.ts',
    'sort_photos.ts',
    'train_and_print.ts',
  ];
  expect(readdirSync(join(root, 'examples')).sort()).toEqual(tested);
});
