import { type DeviceName, loadAddon } from '../../src/model/addon.ts';

/** The addon under test. */
export const addon = loadAddon();

// A backend that this machine is known to have broken, as the virtual GPU of some CI runners.
const without = process.env.BIRBS_TEST_WITHOUT;
if (without) console.warn(`${without} is not tested: BIRBS_TEST_WITHOUT leaves it out`);

/** Every backend of this build that can run here: the same tests for each. */
export const devices: DeviceName[] = (await addon.devices())
  .filter((device) => device.available)
  .map((device) => device.name)
  .filter((name) => name !== without);
