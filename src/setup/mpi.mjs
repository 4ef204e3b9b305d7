/** MPI for the tests of several processes, on Debian and Ubuntu; elsewhere these tests say that they skip. */
import { has, say } from './shell.mjs';
import { aptGet } from './tools.mjs';

/** What is missing of the launchers, by their Debian packages. */
function missingMpi() {
  const launchers = { 'openmpi-bin': 'mpirun.openmpi', mpich: 'mpirun.mpich' };
  return Object.entries(launchers)
    .filter(([, command]) => !has(command))
    .map(([name]) => name);
}

/** Where this fails it says so and returns: the tests that need MPI skip. */
export function installMpi() {
  const missing = missingMpi();
  const apt = missing.length > 0 ? aptGet() : null;
  if (!apt) return;
  say(`installing ${missing.join(', ')} with apt-get for the tests (once)`);
  const updated = apt('update');
  const done = updated.ok ? apt('install', '-y', '--no-install-recommends', ...missing) : updated;
  if (!done.ok) say(`apt-get failed: ${done.output.trim().split('\n').at(-1)}`);
}
