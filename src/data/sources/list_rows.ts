/** The rows of a CSV or TSV file. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { type CsvError, parse } from 'csv-parse';
import { UserError } from '../../base/errors.ts';
import { codeOf } from '../file_tree.ts';

/** Bytes. */
const ROW_SIZE_LIMIT = 2 ** 16;

/** The rows, and the lines that they end on. */
export async function* rowsOf(path: string): AsyncGenerator<{ row: string[]; line: number }> {
  const delimiter = await delimiterOf(path);
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    max_record_size: ROW_SIZE_LIMIT,
    relax_column_count: true,
    skip_empty_lines: true,
  });
  const source = createReadStream(path);
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
    `"${path}", line ${String(error.lines)}: the row ${what}; correct it, or save the list anew as CSV`,
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
        `Expected a list in UTF-8, but "${path}" is in UTF-16; save it anew as "CSV UTF-8"`,
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
