/** For preflight.test.ts, on the stand-in: the verdict of each case, given as JSON of its environment, by name. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAddon, type SessionOptions } from '../../src/model/addon.ts';
import { type PreflightOptions, preflight } from '../../src/training/preflight.ts';
import { birbsLike } from '../native/networks.ts';

const cases = JSON.parse(process.argv[2]!) as Record<string, NodeJS.ProcessEnv>;
const plain = birbsLike(16, 16, 2, [4, 8, 8]);
const [first] = plain.layers;
const grouped = {
  ...plain,
  layers: [
    first!,
    { type: 'conv2d', name: 'dw', outChannels: 4, kernelSize: 3, padding: 'same', groups: 4 } as const,
  ].concat(plain.layers.slice(1) as never),
};

const gpu = (await loadAddon().devices()).find(({ name }) => name === 'metal')!;
const verdicts: Record<string, unknown> = {};
for (const [name, env] of Object.entries(cases)) {
  const cacheDir = mkdtempSync(join(tmpdir(), 'birbs-preflight-'));
  const session: SessionOptions = {
    ...{
      device: 'metal',
      network: name.startsWith('grouped') ? grouped : plain,
      seed: 3,
      batchSize: 6,
      threads: 1,
    },
    ...{ optimizer: { kind: 'adamw' }, precision: name.startsWith('half') ? 'fp16' : 'fp32' },
  };
  const options: PreflightOptions = { session, gpu, cacheDir };
  Object.assign(process.env, env);
  const { why, seconds, depthwise } = await preflight(options);
  for (const key of Object.keys(env)) delete process.env[key];
  const { cached, why: again } = await preflight(options);
  verdicts[name] = {
    why,
    depthwise,
    routes: Object.keys(seconds),
    right: Object.values(seconds).map((s) => s !== null),
  };
  if (!cached || again !== why) verdicts[name] = `not kept: ${again}`;
  rmSync(cacheDir, { recursive: true });
}
process.stdout.write(JSON.stringify(verdicts));
