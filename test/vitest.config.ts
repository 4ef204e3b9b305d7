import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { slowFiles } from './slow_files.ts';

/** Long files first: without times of an earlier run Vitest goes by size, and the longest are among the smallest. */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSlow = ({ moduleId }: TestSpecification) =>
      slowFiles.some((name) => moduleId.endsWith(`/${name}`));
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

export default defineConfig({
  test: {
    // Nothing here asks the real hub: at this port nobody answers. Tests of it have one of their own.
    env: { HF_ENDPOINT: 'http://127.0.0.1:59999' },
    include: ['test/**/*.test.ts'],
    // A process a file: the addon, and a crash of it, stays in one of them.
    pool: 'forks',
    // Vitest leaves one core to itself, of which it uses little: on two cores, half the time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    sequence: { sequencer: SlowFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
