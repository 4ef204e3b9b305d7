// Makes a fresh clone ready: packages, compiler, addon. Plain JavaScript, because it runs before anything is
// installed; does nothing in a tenth of a second when all is in place. `--force` builds the addon anyway; `--standin`
// builds a second one for the tests on Linux, native/metal on the stand-in of test/mpsgraph.
import process from 'node:process';
import { addressSpaceProblem } from './setup/address_space.mjs';
import { setUpAddon } from './setup/build_addon.mjs';
import { installPackages } from './setup/packages.mjs';
import { SetupError, say } from './setup/shell.mjs';
import { buildStandin } from './setup/standin.mjs';

function checkMemory() {
  const problem = addressSpaceProblem();
  if (problem) throw new SetupError(problem);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(
    `Node.js 20.19 or newer is needed, this is ${process.versions.node}; get one from https://nodejs.org`,
  );
}

try {
  checkNode();
  checkMemory();
  installPackages();
  setUpAddon(process.argv.includes('--force'));
  if (process.argv.includes('--standin')) buildStandin();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
