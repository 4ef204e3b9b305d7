/** Archives made byte by byte, so that any of it can be a lie. */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';

export type Content = Uint8Array | string;

/** A tar as tar-stream writes it; a header instead of a content makes an entry of that kind. */
export async function tarOf(entries: [name: string, content: Content | Partial<Header>][]): Promise<Buffer> {
  const out = pack();
  for (const [name, content] of entries) {
    if (typeof content === 'string') out.entry({ name }, content);
    else if (content instanceof Uint8Array) out.entry({ name }, Buffer.from(content));
    else out.entry({ name, ...content });
  }
  out.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of out) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}

export async function tarGzOf(entries: Parameters<typeof tarOf>[0]): Promise<Buffer> {
  return gzipSync(await tarOf(entries));
}

export interface ZipEntry {
  name: string | Uint8Array;
  content: Content;
  stored?: boolean;
  /** As Unix has it. */
  mode?: number;
  flags?: number;
  method?: number;
  /** Instead of the true ones. */
  crc?: number;
  size?: number;
  /** Of the local header, instead of the true place: an entry over another. */
  offset?: number;
}

/** A zip; by default all entries are deflated and named in UTF-8. */
export function zipOf(entries: (ZipEntry | [name: string, content: Content])[], count?: number): Buffer {
  const pieces: Buffer[] = [];
  const list: Buffer[] = [];
  let offset = 0;
  for (const given of entries) {
    const entry: ZipEntry = Array.isArray(given) ? { name: given[0], content: given[1] } : given;
    const { local, central } = zipEntry(entry, offset);
    if (entry.offset === undefined) {
      pieces.push(local);
      offset += local.length;
    }
    list.push(central);
  }
  const all = Buffer.concat(list);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count ?? entries.length % 65536, 8);
  end.writeUInt16LE(count ?? entries.length % 65536, 10);
  end.writeUInt32LE(all.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...pieces, all, end]);
}

function zipEntry(entry: ZipEntry, offset: number): { local: Buffer; central: Buffer } {
  const name = Buffer.from(entry.name as string);
  const content = Buffer.from(entry.content as string);
  const body = entry.stored ? content : deflateRawSync(content);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(entry.flags ?? 0x800, 2);
  fields.writeUInt16LE(entry.method ?? (entry.stored ? 0 : 8), 4);
  fields.writeUInt32LE(entry.crc ?? crc32(content), 10);
  fields.writeUInt32LE(body.length, 14);
  fields.writeUInt32LE(entry.size ?? content.length, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, name, body]);
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 6);
  rest.writeUInt32LE(entry.offset ?? offset, 10);
  const made = Buffer.from([20, 3]);
  const central = Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), made, fields, rest, name]);
  return { local, central };
}
