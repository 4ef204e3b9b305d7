/**
 * What native/metal sends, held against bindings that others generate from the headers of Xcode 26: the objc2 crates.
 * Opt-in: `npm run test:apple` fetches them from Cargo's registry. Skips aloud without them.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { root } from './standin.ts';

/** Version 0.3.2 of each, by sha256. */
const CRATES: Record<string, string> = {
  'objc2-metal': 'a0125f776a10d00af4152d74616409f0d4a2053a6f57fa5b7d6aa2854ac04794',
  'objc2-metal-performance-shaders': '46a10f15ff4e2045f947ffca8a17fc351b155c321de16f04278a008a1f446784',
  'objc2-metal-performance-shaders-graph': '3733321d6edbaa799a59b3f2c82b9e83abfa7577eae0274d3c02f9e879eab1aa',
};

function crateFolders(): string[] {
  if (process.env.BIRBS_OBJC2_CRATES) return [process.env.BIRBS_OBJC2_CRATES];
  const cache = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry', 'cache');
  return existsSync(cache) ? readdirSync(cache).map((name) => join(cache, name)) : [];
}

const files = Object.entries(CRATES).map(([name, sha256]) => ({
  sha256,
  path: crateFolders()
    .map((folder) => join(folder, `${name}-0.3.2.crate`))
    .find(existsSync),
}));
const missing = files.some(({ path }) => path === undefined);
if (missing) console.warn('The objc2 crates are not here: `npm run test:apple` fetches them. Not compared.');

/** The Rust of a crate, one text after the other. */
async function rustOf({ path, sha256 }: (typeof files)[number]): Promise<string> {
  const bytes = readFileSync(path!);
  expect(createHash('sha256').update(bytes).digest('hex'), path).toBe(sha256);
  const parts: string[] = [];
  const archive = Readable.from([bytes]).pipe(createGunzip()).pipe(extract());
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    if (entry.header.name.endsWith('.rs')) parts.push(Buffer.concat(chunks).toString());
  }
  return parts.join('\n');
}

/** A type without its pointer: what it names, and whether it may be nil. */
interface Kind {
  name: string;
  nullable: boolean;
}
interface Method {
  arguments: Kind[];
  result: Kind;
}

/** Names of one kind in both languages. */
const SAME: Record<string, string> = {
  BOOL: 'bool',
  double: 'c_double',
  uint64_t: 'u64',
  MPSShape: 'NSArray',
  MPSGraphTensorShapedTypeDictionary: 'NSDictionary',
  instancetype: 'Self',
  '': 'void',
};

function kind(name: string, nullable: boolean): Kind {
  return { name: SAME[name] ?? name, nullable };
}

/** `Option<&NSArray<NSNumber>>`, `Retained<Self>`, `NSUInteger` */
function ofRust(text: string): Kind {
  const type = text.trim();
  const inner = /^Option<(.*)>$/s.exec(type)?.[1];
  if (inner !== undefined) return { ...ofRust(inner), nullable: true };
  const held = /^(?:&|Retained<|NonNull<)\s*(.*?)>?$/s.exec(type)?.[1] ?? type;
  const [name = ''] = held.replace(/^ProtocolObject<dyn (\w+)>?/, '$1').split('<');
  return kind(name.trim(), false);
}

/** `MPSGraphTensor *`, `id<MTLBuffer>`, `NSString * _Nullable`, `nullable id<MTLBuffer>` */
function ofObjectiveC(text: string): Kind {
  const nullable = /_Nullable|\bnullable\b/.test(text);
  const bare = text.replace(/_Nullable|\bnullable\b/g, '').trim();
  if (bare === 'void *') return kind('c_void', nullable);
  const name = /^id<(\w+)>/.exec(bare)?.[1] ?? /^(\w*)/.exec(bare)![1]!;
  return kind(name === 'void' ? '' : name, nullable);
}

/** Commas that are not inside of brackets. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let [depth, from] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    if ('<(['.includes(text[i]!)) depth++;
    if ('>)]'.includes(text[i]!) && text[i - 1] !== '-') depth--;
    if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return [...parts, text.slice(from)].map((part) => part.trim()).filter(Boolean);
}

/** All methods of a selector, whichever type declares it. */
function rustMethods(rust: string): Map<string, Method[]> {
  const methods = new Map<string, Method[]>();
  const pattern =
    /#\[unsafe\(method\(([\w:]+)\)\)\][^;{]*?\bfn \w+(?:<[^>]*>)?\(([^;{]*?)\)(?:\s*->\s*([^;{]+?))?\s*[;{]/gs;
  for (const [, selector = '', list = '', result = ''] of rust.matchAll(pattern)) {
    const given = splitArguments(list)
      .map((argument) => argument.replace(/^(mut )?(r#)?\w+:\s*/, ''))
      .filter((argument) => !/^(&self|&?Self|this: .*|Allocated<Self>)$/.test(argument));
    const method = { arguments: given.map(ofRust), result: ofRust(result === '' ? '' : result) };
    methods.set(selector, [...(methods.get(selector) ?? []), method]);
  }
  return methods;
}

/** The lines of selectors.txt as selectors with their kinds; a property is its getter and its setter. */
function sentMethods(): [line: string, selector: string, Method][] {
  const lines = readFileSync(join(root, 'test/mpsgraph/selectors.txt'), 'utf8').split('\n');
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line): [string, string, Method][] => {
      const property = /@property(?:\(([^)]*)\))? (.*?)(\w+);$/.exec(line);
      if (property) {
        const [, attributes = '', type = '', name = ''] = property;
        const value = ofObjectiveC(`${type}${/\bnullable\b/.test(attributes) ? ' _Nullable' : ''}`);
        const getter = /getter=(\w+)/.exec(attributes)?.[1] ?? name;
        const read: [string, string, Method] = [line, getter, { arguments: [], result: value }];
        if (attributes.includes('readonly')) return [read];
        const setter = `set${name[0]!.toUpperCase()}${name.slice(1)}:`;
        return [read, [line, setter, { arguments: [value], result: kind('', false) }]];
      }
      const [, result = '', rest = ''] = /[-+] \(((?:[^()]|\([^)]*\))*)\)(.*);/.exec(line)!;
      const parts = [...rest.matchAll(/(\w+:)\(((?:[^()]|\([^)]*\))*)\)\w+/g)];
      const selector = parts.map(([, part]) => part).join('') || rest.trim();
      const given = parts.map(([, , type = '']) => ofObjectiveC(type));
      return [[line, selector, { arguments: given, result: ofObjectiveC(result) }]];
    });
}

/** Values by Apple's names, as the bindings have them. */
function rustValues(rust: string): Map<string, number> {
  const values = new Map<string, number>();
  const byType = new Map<string, number>();
  let type = '';
  const pattern =
    /impl (\w+) \{|#\[doc\(alias = "(\w+)"\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub )?const (\w+)(?:: Self = Self\(([^;]*)\)| = ([^;]*));/g;
  for (const [, opened, alias = '', name = '', whole, flag] of rust.matchAll(pattern)) {
    if (opened) {
      type = opened;
      continue;
    }
    const expression = (whole ?? flag ?? '')
      .replace('MTLResourceStorageModeShift', '4')
      .replace(/(\w+)::(\w+)\.0/g, (_, of: string, part: string) => String(byType.get(`${of}::${part}`)))
      .replace(/\s+as \w+/g, '');
    if (!/^[\w\s()|<&+~-]+$/.test(expression)) continue;
    const value = numberOf(expression);
    byType.set(`${type}::${name}`, value);
    values.set(alias, value);
  }
  return values;
}

/** Of numbers joined by | and <<. */
function numberOf(text: string): number {
  return text
    .replace(/[()]/g, '')
    .split('|')
    .map((part) => part.split('<<').map((number) => Number(number.trim())))
    .reduce((all, [first = 0, shift = 0]) => all + first * 2 ** shift, 0);
}

/** Enumerators that native/metal names, with the values of the stand-in's headers. */
function usedValues(): [name: string, value: number][] {
  const folder = join(root, 'native/metal');
  const source = readdirSync(folder)
    .filter((name) => /\.(mm|h)$/.test(name))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  const used = new Set(source.match(/\b(?:MPS|MTL)\w+/g));
  const headers = ['Metal', 'MetalPerformanceShaders', 'MetalPerformanceShadersGraph'].map((name) =>
    readFileSync(join(root, `test/mpsgraph/include/${name}/${name}.h`), 'utf8'),
  );
  const declared = headers.join('\n').matchAll(/^ {2}(M\w+) = ([\w\s<|]+),/gm);
  return [...declared].flatMap(([, name = '', text = '']): [string, number][] =>
    used.has(name) ? [[name, numberOf(text)]] : [],
  );
}

describe.skipIf(missing)('native/metal against the objc2 bindings of Xcode 26', () => {
  it('sends selectors with the kinds and the nullability that Apple declares', async () => {
    const rust = (await Promise.all(files.map(rustOf))).join('\n');
    const methods = rustMethods(rust);
    const wrong: string[] = [];
    const sent = sentMethods();
    for (const [line, selector, method] of sent) {
      const declared = methods.get(selector) ?? [];
      const wanted = JSON.stringify(method);
      if (declared.some((one) => JSON.stringify(one) === wanted)) continue;
      wrong.push(
        `${line}\n  ours:   ${wanted}\n  theirs: ${declared.map((one) => JSON.stringify(one)).join(' or ')}`,
      );
    }
    expect(wrong.join('\n')).toBe('');
    expect(sent.length).toBeGreaterThan(80);

    const values = rustValues(rust);
    const compared = usedValues();
    expect(Object.fromEntries(compared.map(([name]) => [name, values.get(name)]))).toEqual(
      Object.fromEntries(compared),
    );
    expect(compared.length).toBeGreaterThan(20);
  });
});
