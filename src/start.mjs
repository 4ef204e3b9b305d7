// `npm start`: makes the clone ready, then trains. In one process, and from dist/ where it is of the sources as they
// are: to compile them while they are loaded takes longer than all else that comes before the first step.
import process from 'node:process';
import { isDistFresh } from './setup/dist_place.mjs';
import { setUpClone } from './setup/set_up_clone.mjs';

if (setUpClone()) await start();
else process.exitCode = 1;

async function start() {
  const isFresh = isDistFresh();
  // Not there before the packages are.
  if (!isFresh) (await import('tsx/esm/api')).register();
  const load = (/** @type {string} */ name) =>
    import(new URL(isFresh ? `../dist/${name}.js` : `${name}.ts`, import.meta.url).href);
  const { runCommand } = await load('base/command');
  const { trainCommand } = await load('train');
  const usage = { command: 'npm start --', predict: 'npx tsx src/predict.ts' };
  await runCommand((/** @type {string[]} */ words, /** @type {AbortSignal} */ signal) =>
    trainCommand(words, signal, usage),
  );
}
