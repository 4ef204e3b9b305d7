/** Logits and labels with what Python's libraries make of them; test/fixtures/metrics.py wrote them. */
import { readFileSync } from 'node:fs';
import type { Intervals } from '../../src/metrics/intervals.ts';
import type { Metrics } from '../../src/metrics/metrics.ts';

interface Case {
  classes: number;
  labels: number[];
  logits: number[];
  metrics: Metrics;
  /** Of two classes. */
  intervals: Intervals | null;
  calibration: {
    temperature: number;
    expectedCalibrationError: { before: number; after: number };
    /** At the best of all thresholds; of two classes. */
    balancedAccuracy?: number;
  };
}

const file = new URL('../fixtures/metrics.json', import.meta.url);
export const cases = (JSON.parse(readFileSync(file, 'utf8')) as Case[]).map((one) => ({
  ...one,
  labels: Int32Array.from(one.labels),
  logits: Float32Array.from(one.logits),
}));
