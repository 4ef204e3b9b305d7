/** The commands of the README's section on data, run word for word against a hub on this machine. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { publishedFiles } from '../../src/data/recipes.ts';
import { dataCommand } from '../../src/data.ts';
import { encodeSafetensors } from '../../src/export/safetensors.ts';
import { loadWeights, splitValues } from '../../src/export/weights.ts';
import { loadAddon } from '../../src/model/addon.ts';
import { networkShapes } from '../../src/model/network_shapes.ts';
import { lite0 } from '../../src/model/pretrained_networks.ts';
import { trainCommand } from '../../src/train.ts';
import { temporaryFolder } from '../images.ts';
import { type DocumentedHub, documentedHub, picture } from './documented_hub.ts';
import { parquet, write } from './made.ts';
import { zipOf } from './made_archives.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const section = /\n## Data\n(.*?)\n## /s.exec(readme)![1]!;
const commands = [...section.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block]) =>
  block!.split('\n').filter((line) => line !== ''),
);

const folder = temporaryFolder('readme');
const known = { ...publishedFiles };
let hub: DocumentedHub;

beforeAll(async () => {
  hub = await documentedHub();
  Object.assign(publishedFiles, hub.published);
  process.chdir(folder);
  await fillFolder();
});
afterAll(async () => {
  Object.assign(publishedFiles, known);
  process.chdir(root);
  await hub.close();
  rmSync(folder, { recursive: true });
});

/** What the reader has: photos in a folder, in an archive, in a list; parquet files; the archive of NABirds. */
async function fillFolder(): Promise<void> {
  const files: Record<string, Buffer> = {};
  for (let i = 0; i < 40; i++) {
    files[`photos/${i % 2 ? 'bird' : 'not-bird'}/${i}.jpg`] = await picture(1000 + i, i % 2 === 1);
  }
  write(folder, files);
  writeFileSync('photos.zip', zipOf(Object.entries(files)));
  const rows = Object.keys(files).map((name) => `${name},${name.split('/')[1]}\n`);
  writeFileSync('list.csv', `path,label\n${rows.join('')}`);
  const images = await Promise.all([1, 2, 3, 4].map((i) => picture(2000 + i, i > 2)));
  const set = { images, imageName: 'img', labels: [0n, 0n, 1n, 1n], classNames: ['airplane', 'bird'] };
  write(folder, { 'cifar/train-00000-of-00001.parquet': parquet(set) });
  mkdirSync('data');
  writeFileSync('data/nabirds.tar.gz', hub.nabirds);
}

interface Ended {
  code: number;
  said: string;
}

/** The words as bash reads them, to the command that they name. */
async function run(line: string): Promise<Ended> {
  const script = `printf '%s\\0' ${line}`;
  const words = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
  while (/^[A-Z_]+=/.test(words[0]!)) {
    const [name, value] = words.shift()!.split('=');
    vi.stubEnv(name!, value);
  }
  expect(words.slice(0, 2)).toEqual(['npx', 'tsx']);
  const command = { 'src/data.ts': dataCommand, 'src/train.ts': trainCommand }[words[2]!];
  const said: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  try {
    const code = await command!([...words.slice(3)], new AbortController().signal);
    return { code, said: said.join('') };
  } finally {
    write.mockRestore();
  }
}

test('every command does what is written beside it', async () => {
  expect(commands.length).toBeGreaterThan(12);
  const all = new Map<string, string>();
  for (const line of commands) {
    vi.unstubAllEnvs();
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    vi.stubEnv('HF_HOME', join(folder, 'hf'));
    vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
    for (const name of [
      'HF_TOKEN',
      'HF_TOKEN_PATH',
      'HF_HUB_CACHE',
      'HUGGINGFACE_HUB_CACHE',
      'HF_HUB_OFFLINE',
    ])
      vi.stubEnv(name, undefined);
    const { code, said } = await run(line);
    expect(code, line).toBe(0);
    all.set(line.replace(/\s+#.*/, ''), said);
  }
  const saidBy = (text: string) => [...all].find(([line]) => line.endsWith(text))![1];
  expect(saidBy('data.ts')).toContain('cifar10-birds\n');
  expect(saidBy('data.ts quick')).toContain('120 images: 12 bird, 108 not-bird');
  expect(saidBy('--epochs 5')).toContain('Epoch 5/5');
  expect(saidBy('--data list.csv')).toContain('In all 40 images: 20 bird, 20 not-bird');
  expect(saidBy('--data photos')).toContain('in birbs.lock.json (root ');
  expect(saidBy('--verify')).toContain('Unchanged, as locked');
  expect(saidBy("split=train'")).toContain('12 not-bird');
  expect(saidBy('check photos')).toContain('40 images');
  expect(readFileSync('check.html', 'utf8')).toContain('<html');
  expect(JSON.parse(saidBy('--json')).filtered[0].reason).toContain('"owl"');
  expect(saidBy('birbs')).toContain('50 bird');
  expect(saidBy('--image-size 128')).toContain('38 bird');
});

test('one root over the files: told by data, kept in run.json and in the weights', async () => {
  const made = join('runs', readdirSync('runs')[0]!);
  const { root } = JSON.parse(readFileSync(join(made, 'run.json'), 'utf8')).data.lock;
  for (const name of ['best', 'last']) {
    expect((await loadWeights(join(made, `${name}.safetensors`))).metadata.lock).toBe(root);
  }
  const line = commands.find((line) => line.includes('data.ts quick'))!;
  expect((await run(line)).said).toContain(`(root ${root.slice(0, 12)})`);
});

test('an image added to the photos is refused, and accepted with --update-lock', async () => {
  writeFileSync('photos/bird/new.jpg', await picture(77, true));
  const line = commands.find((line) => line.endsWith('--data photos'))!;
  await expect(run(line)).rejects.toThrow(
    '1 file of photos changed since birbs.lock.json was written: bird/new.jpg (new); run again with --update-lock to accept',
  );
  expect((await run(`${line} --update-lock`)).said).toContain('Locked in birbs.lock.json');
  expect((await run(line)).said).toContain('Unchanged, as locked');
});

test('the first page: photos of your own, with pretrained weights that you have', async () => {
  const line = /\n(npx tsx src\/train\.ts --data my\/photos --pretrained \S+)/.exec(readme)![1]!;
  const weights = line.split(' ').at(-1)!;
  // Random ones, in the layout of timm's file, of the classes of ImageNet.
  const network = lite0({ imageSize: 224, classNames: Array.from({ length: 1000 }, (_, i) => `class ${i}`) });
  const session = await loadAddon().createSession({
    ...{ device: 'cpu', network, seed: 3, batchSize: 1, threads: 1, optimizer: { kind: 'sgd' } },
  });
  const tensors = splitValues(networkShapes(network).parameters, await session.getParameters());
  await session.dispose();
  writeFileSync(weights, encodeSafetensors({ metadata: {}, tensors }));
  cpSync('photos', 'my/photos', { recursive: true });
  vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:1');
  const { code, said } = await run(line);
  expect(code).toBe(0);
  expect(said).toContain(`Network lite0, pretrained (${weights}): 224 x 224 pixels`);
  expect(said).toContain('Epoch 1/1');
});
