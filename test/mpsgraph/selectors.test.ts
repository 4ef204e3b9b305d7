/**
 * Everything that native/metal asks of Apple's classes: declared in the stand-in's headers, and listed in
 * selectors.txt with Apple's signature. clang says what is sent to whom.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeStandin, root } from './standin.ts';

/** A class or protocol of the headers: what it inherits, and each selector's declaration. */
interface Type {
  parents: string[];
  declarations: Map<string, string>;
}

const folder = join(root, 'test/mpsgraph');

function squeeze(declaration: string): string {
  return declaration.replace(/\s*\/\/.*$/, '').trim();
}

/** `- (void)foo:(int)a bar:(int)b;` is `foo:bar:`; a property has a getter and, unless readonly, a setter. */
function selectors(declaration: string): string[] {
  const property = /^@property(?:\(([^)]*)\))?.*?(\w+);/.exec(declaration);
  if (!property) {
    const body = declaration.replace(/^[-+] *\([^)]*\)+/, '').replace(/\((?:[^()]|\([^()]*\))*\)/g, '');
    return [body.match(/\w+:/g)?.join('') ?? body.replace(';', '').trim()];
  }
  const [, attributes = '', name = ''] = property;
  const getter = /getter=(\w+)/.exec(attributes)?.[1] ?? name;
  const setter = `set${name.charAt(0).toUpperCase()}${name.slice(1)}:`;
  return attributes.includes('readonly') ? [getter] : [getter, setter];
}

const headers = ['Metal', 'MetalPerformanceShaders', 'MetalPerformanceShadersGraph'].map(
  (framework) => `include/${framework}/${framework}.h`,
);

function readHeaders(): Map<string, Type> {
  const types = new Map<string, Type>();
  let current: Type = { parents: [], declarations: new Map() };
  for (const header of headers) {
    for (const text of readFileSync(join(folder, header), 'utf8').split('\n')) {
      const line = squeeze(text);
      const opened =
        /^@(?:interface|protocol) (\w+)(?: *: *(\w+))?(?: *\((\w*)\))?(?: *<([\w, ]+)>)?(?: *\{)?$/.exec(
          line,
        );
      if (opened) {
        const [, name = '', parent, , protocols] = opened;
        current = types.get(name) ?? { parents: [], declarations: new Map() };
        types.set(name, current);
        if (parent) current.parents.push(parent);
        current.parents.push(
          ...(protocols ?? '')
            .split(',')
            .map((protocol) => protocol.trim())
            .filter(Boolean),
        );
      } else if (/^([-+] ?\(|@property)/.test(line)) {
        for (const selector of selectors(line)) current.declarations.set(selector, line);
      }
    }
  }
  return types;
}

/** The type that declares it, and how. */
function find(types: Map<string, Type>, name: string, selector: string): [string, string] | undefined {
  const type = types.get(name);
  const declaration = type?.declarations.get(selector);
  if (declaration) return [name, declaration];
  for (const parent of type?.parents ?? []) {
    const found = find(types, parent, selector);
    if (found) return found;
  }
  return undefined;
}

const nsObject = ['alloc', 'autorelease', 'copy', 'init', 'new', 'release', 'respondsToSelector:', 'retain'];

const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';

function clang(): { command: string; flags: string[] } {
  const objc = ['14', '13', '12']
    .map((version) => `/usr/lib/gcc/${machine}-linux-gnu/${version}/include`)
    .find((path) => existsSync(`${path}/objc/objc.h`));
  const command = ['19', '18', '17', '16'].map((version) => `/usr/bin/clang++-${version}`).find(existsSync);
  if (!objc)
    throw new Error(
      'expected objc/objc.h of gcc 12 to 14 below /usr/lib/gcc; run `node src/setup.mjs --standin`',
    );
  const objective =
    '-x objective-c++ -std=c++20 -fobjc-runtime=gcc -fconstant-string-class=NSConstantString -fblocks -fexceptions -fobjc-exceptions';
  return {
    command: command ?? 'clang++',
    flags: [
      ...objective.split(' '),
      '-D_NATIVE_OBJC_EXCEPTIONS',
      `-I${folder}/include`,
      `-I${root}/native`,
      '-isystem/usr/include/GNUstep',
      `-isystem${objc}`,
      '-fno-color-diagnostics',
      '-fsyntax-only',
    ],
  };
}

/** `MPSGraph reLUWithTensor:name:` and so on, by clang's syntax tree. */
async function sentBy(file: string): Promise<string[]> {
  const { command, flags } = clang();
  const args = [...flags, '-Xclang', '-ast-dump', '-Xclang', '-ast-dump-filter=irbs', file];
  const { stdout } = await promisify(execFile)(command, args, { maxBuffer: 1 << 30 });
  const lines = stdout.split('\n');
  return lines.flatMap((line, i) => {
    const message = /ObjCMessageExpr .* selector=(\S+)(?: class='(\w+)')?/.exec(line);
    if (!message) return [];
    // The receiver is the first thing below the message.
    const above = line.includes(' super (instance)') ? 'MPSCommandBuffer *' : undefined;
    const sentTo = message[2] ?? above ?? /'([^']*)'/.exec(lines[i + 1] ?? '')?.[1] ?? '';
    // Our one subclass.
    const receiver = sentTo.replace('BirbsCommandBuffer', 'MPSCommandBuffer');
    const type = /^(?:const )?(?:id<)?((?:MPS|MTL)\w+)(?:>| \*|$)/.exec(receiver)?.[1];
    if (receiver === 'id') throw new Error(`${file} sends ${message[1]} to an object without a type`);
    return type && !nsObject.includes(message[1]!) ? [`${type} ${message[1]}`] : [];
  });
}

describeStandin('what native/metal sends to Metal and MPSGraph', () => {
  it('is declared by the stand-in and listed with the signature Apple gives it', {
    timeout: 240_000,
  }, async () => {
    const files = readdirSync(join(root, 'native/metal')).filter((name) => name.endsWith('.mm'));
    const sent = new Set<string>();
    for (const file of files)
      for (const message of await sentBy(join(root, 'native/metal', file))) sent.add(message);
    const types = readHeaders();
    const found = [...sent].map((message) => {
      const [type = '', selector = ''] = message.split(' ');
      return { message, declared: find(types, type, selector) };
    });
    expect(found.filter((one) => !one.declared).map((one) => one.message)).toEqual([]);
    const used = new Set(found.map((one) => one.declared!.join(' ')));
    const list = readFileSync(join(folder, 'selectors.txt'), 'utf8').split('\n');
    const listed = list.filter((line) => line !== '' && !line.startsWith('#'));
    console.log([...used].sort().join('\n'));
    expect(
      [...used].filter((line) => !listed.includes(line)),
      'not in selectors.txt',
    ).toEqual([]);
    expect(
      listed.filter((line) => !used.has(line)),
      'in selectors.txt, not sent',
    ).toEqual([]);
    expect(used.size).toBeGreaterThan(60);
  });
});
