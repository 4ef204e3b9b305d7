/**
 * Goes through a folder with any number of photos, a few in memory at a time, and counts what is in them. Ctrl-C ends it
 * with the counts so far: npx tsx examples/sort_photos.ts holiday runs/example
 */
import { predict } from 'birbs-metal';

const [folder = 'photos', model = 'runs/example'] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const counts = new Map<string, number>();
for await (const answer of predict(folder, { model }, stop.signal)) {
  const label = 'error' in answer ? 'unreadable' : answer.label;
  counts.set(label, (counts.get(label) ?? 0) + 1);
  if ('error' in answer) console.log(`${answer.file}: ${answer.error}`);
  else if (answer.unsure) console.log(`${answer.file}: perhaps ${answer.guess}; please look at it`);
}
for (const [label, count] of counts) console.log(`${label}: ${count}`);
