/** Trains on a folder with a folder per class and prints each epoch: npx tsx examples/train_and_print.ts photos */
import { trainEvents, UserError } from 'birbs-metal';

const [folder = 'photos', run = 'runs/example'] = process.argv.slice(2);

try {
  for await (const event of trainEvents({ data: [folder], network: 'birbs-bn', epochs: 3, run })) {
    if (event.type === 'epoch') {
      const { loss, balancedAccuracy } = event.validation;
      const accuracy = `${(balancedAccuracy * 100).toFixed(1)}%`;
      console.log(`epoch ${event.epoch}: loss ${loss.toFixed(3)}, balanced accuracy ${accuracy}`);
    }
    if (event.type === 'end') console.log(`${event.results.status}: the weights are in ${event.run}`);
  }
} catch (error) {
  if (!(error instanceof UserError)) throw error; // a fault of the program, not of its input
  console.error(error.message);
  process.exitCode = error.exitCode;
}
