/** Prints the epochs and the best metrics of a run: npx tsx examples/read_results.ts runs/example */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EpochEvent, Results } from 'birbs-metal';

const [run = 'runs/example'] = process.argv.slice(2);

/** Each line of the log is an event; those of other types are steps, rollbacks and notices. */
const log = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
const epochs = log.map((line) => JSON.parse(line)).filter(({ type }) => type === 'epoch') as EpochEvent[];
for (const { epoch, trainLoss, validation } of epochs)
  console.log(`${epoch}\t${trainLoss.toFixed(3)}\t${validation.loss.toFixed(3)}`);

const results: Results = JSON.parse(readFileSync(join(run, 'results.json'), 'utf8'));
const { status, classNames, best, intervals } = results;
console.log(`${status}: ${classNames.join(', ')}`);
if (best && intervals.best) {
  const [low, high] = intervals.best.balancedAccuracy.map((share) => (share * 100).toFixed(1));
  const share = (best.balancedAccuracy * 100).toFixed(1);
  console.log(`best epoch ${best.epoch}: balanced accuracy ${share}% (95% interval ${low}% to ${high}%)`);
}
