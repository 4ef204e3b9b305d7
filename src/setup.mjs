// Makes a fresh clone ready: packages, compiler, addon. Plain JavaScript, because it runs before anything is
// installed; does nothing in a tenth of a second when all is in place. `--force` builds the addon anyway; `--standin`
// builds a second one for the tests on Linux, native/metal on the stand-in of test/mpsgraph.
import process from 'node:process';
import { setUpClone } from './setup/set_up_clone.mjs';

const has = (/** @type {string} */ word) => process.argv.includes(word);
if (!setUpClone({ force: has('--force'), standin: has('--standin') })) process.exitCode = 1;
