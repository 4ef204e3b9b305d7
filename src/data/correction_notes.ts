/** What a training says of the corrections among its images. */
import { count } from '../base/words.ts';
import type { DatasetFacts } from './assemble.ts';
import type { Split } from './split.ts';

/** How many corrections a training learns from, as a line; none where there are none. */
export function correctionNotes(
  { corrected, replaced = 0 }: Pick<DatasetFacts, 'corrected' | 'replaced'>,
  { train, val }: Pick<Split, 'train' | 'val'>,
): string[] {
  if (!corrected) return [];
  const among = (positions: Uint32Array) => positions.filter((position) => corrected[position] === 1).length;
  const [learned, held] = [among(train), among(val)];
  const also = [
    ...(held > 0 ? [`${count(held)} more ${held === 1 ? 'is' : 'are'} held out for validation`] : []),
    ...(replaced > 0
      ? [`${count(replaced)} wrong label${replaced === 1 ? '' : 's'} of other sources replaced`]
      : []),
  ];
  return [
    `Learns from ${count(learned)} correction${learned === 1 ? '' : 's'}${also.map((text) => `; ${text}`).join('')}`,
  ];
}
