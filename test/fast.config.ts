/**
 * `npm run test:fast`: what tells within a minute and a half whether a change is sound. Left out are the files that take
 * longest, because they kill and restart processes, install the package, train for several epochs, or repeat other
 * tests under other conditions; `npm test` runs all of them.
 */
import { configDefaults, mergeConfig } from 'vitest/config';
import config from './vitest.config.ts';

const slow = [
  // Processes that are killed and started again.
  'test/run_exits.test.ts',
  'test/run_kills.test.ts',
  'test/data/hub_kill.test.ts',
  'test/data/kill_gently.test.ts',
  'test/data/kills.test.ts',
  'test/data/cache_damage.test.ts',
  'test/data/feature_cache.test.ts',
  'test/data/room.test.ts',
  'test/data/scale.test.ts',
  'test/run/checkpoint.test.ts',
  'test/run/mend_run.test.ts',
  // Whole programs: the package, the examples, the commands, the README's lines, a terminal.
  'test/package.test.ts',
  'test/examples.test.ts',
  'test/bad_input.test.ts',
  'test/doctor.test.ts',
  'test/data/readme.test.ts',
  'test/ui/process.test.ts',
  'test/model/freed.test.ts',
  'test/model/little_memory.test.ts',
  // Trainings.
  'test/advice.test.ts',
  'test/resume.test.ts',
  'test/suspects.test.ts',
  'test/metal.test.ts',
  'test/report/run_report.test.ts',
  // Other tests again, under each instruction set or on the stand-in of the GPU.
  'test/isa.test.ts',
  'test/mpsgraph/**',
  // Random damage, and every range of bytes.
  'test/data/archive_fuzz.test.ts',
  'test/data/parquet_fuzz.test.ts',
  'test/data/hub_ranges.test.ts',
];

export default mergeConfig(config, { test: { exclude: [...configDefaults.exclude, ...slow] } });
