/** The rows of a CSV or TSV file. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type CsvError, parse } from 'csv-parse';
import { UserError } from '../../base/errors.ts';
import { codeOf } from '../file_tree.ts';

/** Bytes. */
const ROW_SIZE_LIMIT = 2 ** 16;

/**
 * The rows, and the lines that they end on.
 * @param onLatin called once some of it is not in UTF-8, and is read as Latin-1
 */
export async function* rowsOf(
  path: string,
  onLatin: () => void = () => {},
): AsyncGenerator<{ row: string[]; line: number }> {
  const delimiter = await delimiterOf(path);
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    max_record_size: ROW_SIZE_LIMIT,
    relax_column_count: true,
    skip_empty_lines: true,
  });
  const source = Readable.from(textOf(path, onLatin));
  source.on('error', (error) => parser.destroy(error));
  try {
    for await (const { record, info } of source.pipe(parser)) yield { row: record, line: info.lines };
  } catch (error) {
    throw rowError(path, error as CsvError);
  } finally {
    source.destroy();
    parser.destroy();
  }
}

/** The text in pieces of whole lines, each line in its own encoding: lists are put together from several. */
async function* textOf(path: string, onLatin: () => void): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    // A longer line than this is refused anyway.
    const end = bytes.length > 8 * ROW_SIZE_LIMIT ? bytes.length : lastLineEnd(bytes);
    if (end > 0) yield decode(bytes.subarray(0, end), onLatin);
    rest = bytes.subarray(end);
  }
  if (rest.length > 0) yield decode(rest, onLatin);
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

function lastLineEnd(bytes: Buffer): number {
  return Math.max(bytes.lastIndexOf(LINE_FEED), bytes.lastIndexOf(CARRIAGE_RETURN)) + 1;
}

function decode(bytes: Buffer, onLatin: () => void): string {
  if (isUtf8(bytes)) return bytes.toString();
  const end = bytes.indexOf(LINE_FEED) + 1;
  if (end > 0 && end < bytes.length) {
    return bytes
      .toString('latin1')
      .split(/(?<=\n)/)
      .map((line) => decode(Buffer.from(line, 'latin1'), onLatin))
      .join('');
  }
  onLatin();
  return latin(bytes);
}

/** What Windows has where Latin-1 has control characters, from 0x80 on. */
const WINDOWS = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

function latin(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[\x80-\x9f]/g, (one) => WINDOWS[one.charCodeAt(0) - 0x80]!);
}

function rowError(path: string, error: CsvError): Error {
  if (error instanceof UserError) return error;
  if (!/^(CSV_|INVALID_)/.test(String(error.code))) {
    return new UserError(`The list "${path}" could not be read (${codeOf(error)}); check it and run again`);
  }
  const what =
    error.code === 'CSV_MAX_RECORD_SIZE'
      ? `has more than ${ROW_SIZE_LIMIT} characters`
      : 'has a quote where none may be, or one that does not end';
  return new UserError(
    `"${path}", line ${String(error.lines)}: the row ${what}; correct it, or save the list again as CSV`,
  );
}

/** What parts the columns: what is most frequent in the first line, outside of quotes. */
async function delimiterOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(ROW_SIZE_LIMIT), 0, ROW_SIZE_LIMIT, 0);
    const head = buffer.subarray(0, bytesRead);
    if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) {
      throw new UserError(
        `Expected a list in UTF-8, but "${path}" is in UTF-16; save it again as "CSV UTF-8"`,
      );
    }
    const [line = ''] = head
      .toString()
      .replace(/"(?:[^"]|"")*"/g, '')
      .trimStart()
      .split(/[\r\n]/);
    const count = (delimiter: string) => line.split(delimiter).length;
    const known = /\.tsv$/i.test(path) ? ['\t', ',', ';'] : [',', ';', '\t'];
    return known.sort((a, b) => count(b) - count(a))[0]!;
  } finally {
    await file.close();
  }
}
