/** Reads a parquet file into a new pixel cache, in a process of its own; prints the peak of its memory in megabytes. */
import { readFile } from 'node:fs/promises';
import { parquetParts } from '../src/data/sources/parquet_source.ts';
import { secondsToCache } from './decode.ts';

const path = process.argv[2]!;
const context = { role: 'birds', labelled: false, size: 64, cacheDir: path } as const;
const parts = await parquetParts({ text: path, kind: 'parquet', path }, context);
await secondsToCache(parts, 64);
// Not resourceUsage().maxRSS: that begins with the memory of the process that started this one.
const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
console.log(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
