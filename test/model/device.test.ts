import { describe, expect, test } from 'vitest';
import type { DeviceInfo } from '../../src/model/addon.ts';
import { chooseDevice } from '../../src/model/device.ts';

const cpu: DeviceInfo = { name: 'cpu', available: true, description: 'oneDNN 3.5.3' };
const metal: DeviceInfo = { name: 'metal', available: true, description: 'Apple M4' };
const none: DeviceInfo = { ...metal, available: false, description: 'this is Linux; use the device cpu.' };

describe('auto', () => {
  test('takes Metal where it is', () => {
    expect(chooseDevice('auto', [cpu, metal])).toEqual({
      name: 'metal',
      description: 'Apple M4',
      reason: 'it is the fastest here',
    });
  });

  test('else the CPU, and says why', () => {
    expect(chooseDevice('auto', [none, cpu])).toEqual({
      name: 'cpu',
      description: 'oneDNN 3.5.3',
      reason: 'no Apple GPU, as this is Linux',
    });
  });
});

test('a device by name is taken', () => {
  expect(chooseDevice('cpu', [cpu, metal])).toMatchObject({ name: 'cpu', reason: 'you asked for it' });
});

test('or refused, never replaced', () => {
  expect(() => chooseDevice('metal', [none, cpu])).toThrow(
    expect.objectContaining({
      message: "--device metal can't be used here: this is Linux; use the device cpu",
      exitCode: 2,
    }),
  );
  expect(() => chooseDevice('portable', [cpu])).toThrow(
    /--device portable can't be used here: it is not in this build/,
  );
});
