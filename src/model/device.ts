/** Which device a run takes, and why. */

import { UserError } from '../base/errors.ts';
import type { DeviceInfo, DeviceName } from './addon.ts';

export interface ChosenDevice {
  name: DeviceName;
  /** What runs there: "oneDNN 3.5.3". */
  description: string;
  /** Half a sentence: "you asked for it", "no Apple GPU, as this build is for Linux". */
  reason: string;
}

/**
 * `auto` takes Metal where it is available, else the CPU; a device by name is taken or refused, never replaced.
 * @throws UserError with exit code 2
 */
export function chooseDevice(requested: 'auto' | DeviceName, devices: DeviceInfo[]): ChosenDevice {
  const find = (name: DeviceName) => devices.find((device) => device.name === name);
  const metal = find('metal');
  const wanted = requested === 'auto' ? (metal?.available ? metal : find('cpu')) : find(requested);
  const name = requested === 'auto' ? (wanted?.name ?? 'cpu') : requested;
  if (!wanted?.available)
    throw new UserError(
      `--device ${name} can't be used here: ${bare(wanted?.description ?? 'it is not in this build')}`,
      2,
    );
  return { name, description: bare(wanted.description), reason: reasonFor(requested, metal) };
}

function reasonFor(requested: 'auto' | DeviceName, metal: DeviceInfo | undefined): string {
  if (requested !== 'auto') return 'you asked for it';
  if (metal?.available) return 'it is the fastest here';
  const [why] = bare(metal?.description ?? 'it is not in this build').split(';');
  return `no Apple GPU, as ${why}`;
}

function bare(sentence: string): string {
  return sentence.replace(/\.$/, '');
}
