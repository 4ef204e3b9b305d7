// Prints `unusable=...` for GITHUB_OUTPUT, with the reason where this runner's GPU can't be tested, and says it aloud.
import { createRequire } from 'node:module';

const addon = createRequire(import.meta.url)('../../build/Release/birbs.node');
const metal = (await addon.devices()).find(({ name }) => name === 'metal');
console.error(`metal: ${metal.description}`);
const macOS14 = /virtual/.test(metal.description) && /macOS 1[34]\./.test(metal.description);
const reason = !metal.available
  ? metal.description
  : macOS14
    ? `${metal.description}: up to macOS 14 the virtual GPU of a runner computes zeros`
    : '';
if (reason !== '' && process.platform === 'darwin') {
  console.error(`::warning title=No GPU that can be tested::${reason}`);
}
console.log(`unusable=${reason}`);
