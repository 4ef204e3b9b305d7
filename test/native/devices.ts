import { type DeviceName, loadAddon } from '../../src/model/addon.ts';

/** The addon under test. */
export const addon = loadAddon();

/** Every backend of this build that can run here: the same tests for each. */
export const devices: DeviceName[] = (await addon.devices())
  .filter((device) => device.available)
  .map((device) => device.name);
