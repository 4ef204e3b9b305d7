/** A process that fetches from the tests' hub and may be killed while it does: whole files, and ranges of another. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { HubRepository } from '../../src/data/hub/hub_repository.ts';

const [, , endpoint, folder] = process.argv;
const settings = {
  endpoint: endpoint!,
  cacheDir: `${folder}/shared`,
  offline: false,
  idleSeconds: 5,
  pauseMs: 1,
};
const place = { type: 'dataset' as const, name: 'owner/birds', revision: 'main' };
const dataset = await HubRepository.open({ settings }, place, `${folder}/own`);
const sums: Record<string, string> = {};
const note = (path: string, bytes: Uint8Array) => {
  sums[path] = createHash('sha256').update(bytes).digest('hex');
};

const files = await dataset.list('');
const whole = files.filter(({ path }) => path.startsWith('whole/'));
const part = files.find(({ path }) => path === 'ranges')!;
const fetchRanges = async () => {
  const access = await dataset.remote(part);
  const pieces: Uint8Array[] = [];
  const step = Math.ceil(part.size / 7);
  for (let begin = 0; begin < part.size; begin += step) {
    pieces.push(await access.read(begin, Math.min(begin + step, part.size)));
  }
  note(part.path, Buffer.concat(pieces));
  await access.close?.();
};
await Promise.all([
  ...whole.map(async (file) => note(file.path, await readFile(await dataset.whole(file)))),
  fetchRanges(),
]);
process.stdout.write(JSON.stringify(sums));
