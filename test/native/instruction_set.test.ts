/** ONEDNN_MAX_CPU_ISA limits the kernels of oneDNN and our own; test/isa.ts runs this under each limit. */
import { expect, test } from 'vitest';
import { limits } from '../isa.ts';
import { addon } from './devices.ts';

const limit = process.env.ONEDNN_MAX_CPU_ISA;

test(`the devices say what they compute with (limit: ${limit ?? 'none'})`, async () => {
  const texts = new Map((await addon.devices()).map(({ name, description }) => [name, description]));
  const known = [...limits.values()].map(({ ours }) => ours);
  const { oneDnn, ours } = limits.get(limit ?? '') ?? {
    oneDnn: '',
    ours: expect.stringMatching(new RegExp(`${known.join('|')}|NEON`)),
  };
  const [, found] = /^plain C\+\+ loops, (.*)$/.exec(texts.get('portable')!) ?? [];
  expect(found).toEqual(ours);
  // Built without oneDNN, the portable loops serve the cpu.
  if (texts.get('cpu')!.startsWith('oneDNN')) expect(texts.get('cpu')).toContain(oneDnn);
});
