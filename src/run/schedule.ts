/** The learning rate at each step; pure. */

export interface Schedule {
  kind: 'constant' | 'cosine';
  learningRate: number;
  /** Steps of the whole run. */
  steps: number;
  /** Steps of the first rise, straight from 0. */
  warmup: number;
}

/** @param step from 0 */
export function learningRateAt({ kind, learningRate, steps, warmup }: Schedule, step: number): number {
  if (step < warmup) return (learningRate * (step + 1)) / warmup;
  if (kind === 'constant') return learningRate;
  const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  return (learningRate * (1 + Math.cos(Math.PI * progress))) / 2;
}
