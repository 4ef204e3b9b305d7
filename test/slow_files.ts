/**
 * The test files that take longest: they kill and restart processes, install the package, train for several epochs, or
 * repeat other tests under other conditions. `npm test` begins with them, so that no core waits for the last one;
 * `npm run test:fast` leaves them out.
 */
export const slowFiles = [
  // Other tests again, under each instruction set or on the stand-in of the GPU.
  'test/mpsgraph/suite.test.ts',
  'test/isa.test.ts',
  'test/mpsgraph/cost.test.ts',
  'test/mpsgraph/demo.test.ts',
  'test/mpsgraph/faults.test.ts',
  'test/mpsgraph/selectors.test.ts',
  'test/mpsgraph/standin.test.ts',
  // Processes that are killed and started again, or whose memory is measured or limited.
  'test/run_kills.test.ts',
  'test/run_exits.test.ts',
  'test/ranks/rank_kills.test.ts',
  'test/ranks/rank_steps.test.ts',
  'test/ranks/train_ranks.test.ts',
  'test/data/kills.test.ts',
  'test/data/hub_kill.test.ts',
  'test/data/kill_gently.test.ts',
  'test/data/room.test.ts',
  'test/data/scale.test.ts',
  'test/model/freed.test.ts',
  'test/model/little_memory.test.ts',
  // Whole programs: the package, the examples, the commands, the README's lines, a terminal.
  'test/package.test.ts',
  'test/examples.test.ts',
  'test/bad_input.test.ts',
  'test/doctor.test.ts',
  'test/predict.test.ts',
  'test/train.test.ts',
  'test/data/demo.test.ts',
  'test/data/readme.test.ts',
  'test/report/render_report.test.ts',
  'test/run/run_folder.test.ts',
  'test/ui/process.test.ts',
  // Trainings.
  'test/advice.test.ts',
  'test/metal.test.ts',
  'test/resume.test.ts',
  'test/suspects.test.ts',
  'test/report/run_report.test.ts',
  'test/run/checkpoint.test.ts',
  'test/run/mend_run.test.ts',
  // Many cases of one thing: random damage, every range of bytes, every layout of a file.
  'test/data/archive_fuzz.test.ts',
  'test/data/cache_damage.test.ts',
  'test/data/feature_cache.test.ts',
  'test/data/hub_ranges.test.ts',
  'test/check/check.test.ts',
  'test/check/check_near.test.ts',
  'test/data/archive.test.ts',
  'test/data/decode_damage.test.ts',
  'test/data/hub_source.test.ts',
  'test/data/parquet_fuzz.test.ts',
  'test/data/parquet_layouts.test.ts',
  'test/data/parquet_pass.test.ts',
  'test/data/pixels.test.ts',
  'test/metrics/calibration.test.ts',
];
