/** A rank that tries what ranks tell each other; rank 0 prints what came of it as JSON. */
import { UserError } from '../../src/base/errors.ts';
import { Ranks } from '../../src/ranks/ranks.ts';

const ranks = (await Ranks.join())!;
const { rank, size } = ranks;
const problem = (work: () => Promise<unknown>) =>
  work().then(
    () => 'none',
    (error: Error) => `${error instanceof UserError ? error.exitCode : error.name}: ${error.message}`,
  );
const found = {
  place: [rank, size, ranks.local],
  gathered: await ranks.gather({ text: 'ä'.repeat(rank) }),
  broadcast: await ranks.broadcast(rank === 0 ? { from: 'first' } : undefined),
  floats: [...(await ranks.broadcastFloats(Float32Array.of(rank + 0.5, -rank)))],
  rows: [...(await ranks.joinRows(Float32Array.of(...(rank === 0 ? [] : [rank, -rank])), size - 1, 2))],
  together: await ranks.together(async () => rank),
  failed: await problem(() =>
    ranks.together(async () => {
      if (rank === 1) throw new UserError('no images', 2);
    }),
  ),
  turns: await ranks.inTurn(async () => `rank ${rank}`),
  same: await problem(() => ranks.compare({ options: { epochs: 3 } })),
  other: await problem(() => ranks.compare({ version: '1', options: { epochs: rank === 1 ? 4 : 3 } })),
  weights: await problem(() => ranks.compareWeights(Float32Array.of(1, 2), 100)),
  otherWeights: await problem(() => ranks.compareWeights(Float32Array.of(1, rank === 1 ? 3 : 2), 200)),
  going: await problem(() => ranks.throwIfStopped(undefined)),
  stopped: await problem(() => ranks.throwIfStopped(rank === 1 ? AbortSignal.abort() : undefined)),
  isStopped: ranks.isStopped,
};
const all = await ranks.gather(found);
await ranks.leave();
if (rank === 0) process.stdout.write(`${JSON.stringify(all)}\n`);
