/** Steps of several ranks against those of one process on the same batches. */
import { describe, expect, test } from 'vitest';
import { launchers, onRanks, whyNot } from './mpi.ts';

process.stdout.write(whyNot());

interface Line {
  device: string;
  name: 'plain' | 'synchronised' | 'separate';
  hashes: string[];
  gradients: number;
  values: number;
  losses: number;
  sameCorrect: boolean;
  notes: number[];
}

describe.each(launchers)('$name', (launcher) => {
  test.each(launcher === launchers[0] ? [3] : [2])('%i ranks train as one process', async (processes) => {
    const { code, stdout, stderr } = await onRanks(launcher, processes, ['test/ranks/rank_steps_child.ts']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);
    expect(lines.map(({ device, name }) => `${device} ${name}`)).toHaveLength(6);
    for (const line of lines) {
      const { device, name } = line;
      expect(new Set(line.hashes).size, `${device} ${name}: weights of all ranks`).toBe(1);
      expect(line.notes).toEqual([processes, (processes * (processes - 1)) / 2]);
      // Batch norm of each rank by itself is another training; see that it is one.
      const [least, most] = name === 'separate' ? [1e-2, 2] : [0, name === 'plain' ? 1e-5 : 1e-4];
      for (const part of ['gradients', 'values', 'losses'] as const) {
        expect(line[part], `${device} ${name}: ${part}`).toBeLessThan(most);
        if (part === 'gradients') expect(line[part]).toBeGreaterThanOrEqual(least);
      }
      if (name !== 'separate') expect(line.sameCorrect).toBe(true);
    }
  });
});
