/** Makes a fresh clone ready: packages, compiler, addon. */
import process from 'node:process';
import { addressSpaceProblem } from './address_space.mjs';
import { setUpAddon } from './build_addon.mjs';
import { installMpi } from './mpi.mjs';
import { installPackages } from './packages.mjs';
import { SetupError, say } from './shell.mjs';
import { buildStandin } from './standin.mjs';

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

/**
 * Returns whether all is in place; if not, says what the user has to do.
 * @param {{ force?: boolean, standin?: boolean }} options `force`: build the addon anyway; `standin`: for the tests, a
 *   second one, and MPI where apt-get has it
 */
export function setUpClone({ force = false, standin = false } = {}) {
  try {
    checkNode();
    checkMemory();
    installPackages();
    setUpAddon(force);
    if (standin) {
      buildStandin();
      installMpi();
    }
    return true;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    return false;
  }
}
