/** Event files, read back by rules written down again here; TensorBoard itself is asked by test/fixtures/read_events.py. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { crc32c, createEventFile, encodeEventHead, encodeScalars } from '../../src/export/tensorboard.ts';
import { temporaryFolder } from '../images.ts';

const folder = temporaryFolder('tensorboard');
afterAll(() => rmSync(folder, { recursive: true }));

describe('CRC-32C', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  // RFC 3720, B.4, and the check value of the catalogues.
  const vectors: [what: string, data: Uint8Array, crc: number][] = [
    ['123456789', Buffer.from('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 times 255', new Uint8Array(32).fill(255), 0x62a8ab43],
    ['0 to 31', ascending, 0x46dd794e],
    ['31 to 0', ascending.toReversed(), 0x113fdb5c],
  ];
  test.each(vectors)('%s', (_, data, crc) => expect(crc32c(data)).toBe(crc));
});

/** Cuts a file into records; throws where a length or checksum is wrong. */
function readRecords(file: Uint8Array): Buffer[] {
  const data = Buffer.from(file);
  const masked = (bytes: Uint8Array) => {
    const crc = BigInt(crc32c(bytes));
    return Number((((crc >> 15n) | ((crc << 17n) & 0xffffffffn)) + 0xa282ead8n) & 0xffffffffn);
  };
  const records: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const length = Number(data.readBigUInt64LE(at));
    expect(data.readUInt32LE(at + 8)).toBe(masked(data.subarray(at, at + 8)));
    const record = data.subarray(at + 12, at + 12 + length);
    expect(data.readUInt32LE(at + 12 + length)).toBe(masked(record));
    records.push(record);
    at += 16 + length;
  }
  return records;
}

test('the head: bytes that TensorFlow writes for the version, then the step to begin at', () => {
  const [version, start] = readRecords(encodeEventHead(1, 300));
  // wall_time 1.0, step 0, file_version.
  expect(version!.toString('hex')).toBe(
    `09000000000000f03f10001a0d${Buffer.from('brain.Event:2').toString('hex')}`,
  );
  // wall_time 1.0, step 301 = 0x12d, session_log { status: START }.
  expect(start!.toString('hex')).toBe('09000000000000f03f10ad023a020801');
});

test('scalars: tag and float of each, not-a-number included', () => {
  const [record, ...more] = readRecords(
    encodeScalars({ step: 2 ** 40, wallTime: 1, scalars: { 'a/b': 1.5, é: Number.NaN } }),
  );
  expect(more).toEqual([]);
  const values = `0a0a0a03${Buffer.from('a/b').toString('hex')}150000c03f0a090a02c3a9150000c07f`;
  expect(record!.toString('hex')).toBe(`09000000000000f03f108080808080202a17${values}`);
});

test('a file of its own for each start, appended to', async () => {
  const events = await createEventFile(folder, 1_700_000_000.5, 0);
  await events.add({ step: 1, wallTime: 1_700_000_001, scalars: { loss: 2 } });
  await events.add({ step: 2, wallTime: 1_700_000_002, scalars: { loss: 1 } });
  const [name, ...others] = readdirSync(folder);
  expect(others).toEqual([]);
  expect(name).toMatch(/^events\.out\.tfevents\.1700000000\./);
  expect(readRecords(readFileSync(join(folder, name!)))).toHaveLength(4);
});
