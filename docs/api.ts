/**
 * `npm run api` writes docs/api.md: every public name of src/index.ts with its signature and its doc comment, and the
 * types that these mention. Reads the sources as text: biome's format makes the ends of declarations plain.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeOptions, exportOptions, predictOptions, trainOptions } from '../src/options.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const index = join(root, 'src/index.ts');

interface Declaration {
  name: string;
  kind: 'function' | 'class' | 'interface' | 'type' | 'const';
  /** Without the stars; empty where there is none. */
  comment: string;
  /** TypeScript, without bodies of functions. */
  text: string;
  file: string;
}

const sources = new Map<string, string[]>();

function linesOf(file: string): string[] {
  if (!sources.has(file)) sources.set(file, readFileSync(file, 'utf8').split('\n'));
  return sources.get(file)!;
}

/** The whole of index.ts, in its order: names of a file, and files of which all names are under one. */
export function publicNames(): { name: string; file: string }[] {
  const text = readFileSync(index, 'utf8');
  return [...text.matchAll(/export (?:type )?(?:\{([^}]*)\}|\* as (\w+)) from '([^']+)'/g)].flatMap(
    ([, names, space, path]) => {
      const file = join(dirname(index), path!);
      if (space) return [{ name: space, file }];
      const found = names!.split(',').map((name) => name.replace('type ', '').trim());
      return found.filter((name) => name !== '').map((name) => ({ name, file }));
    },
  );
}

/** The declaration of a name in a file, or where the file has it from. */
function findDeclaration(file: string, name: string): Declaration | undefined {
  const lines = linesOf(file);
  const head = new RegExp(
    `^(?:export )?(?:async )?(function|class|interface|type|const)\\*? ${name}\\b(?! from)`,
  );
  const at = lines.findIndex((line) => head.test(line));
  if (at < 0) return findImported(file, name);
  const kind = head.exec(lines[at]!)![1] as Declaration['kind'];
  const text = lines.slice(at, endOf(lines, at, kind) + 1).join('\n');
  return { name, kind, comment: commentAbove(lines, at), text: withoutBodies(text, kind), file };
}

function findImported(file: string, name: string): Declaration | undefined {
  const statements = linesOf(file)
    .join('\n')
    .matchAll(/^(?:im|ex)port ([^;]*?) from '(\.[^']+)';/gms);
  for (const [, names, path] of statements)
    if (new RegExp(`\\b${name}\\b`).test(names!)) return findDeclaration(join(dirname(file), path!), name);
  return undefined;
}

function endOf(lines: string[], at: number, kind: Declaration['kind']): number {
  const isEnd = (line: string, i: number) => {
    if (kind === 'function') return line.endsWith(' {') && (i === at || line.startsWith(')'));
    if (kind === 'interface' || kind === 'class') return line === '}' || line.endsWith(' {}');
    return line.endsWith(';') && (i === at || !line.startsWith('  ') || nothingOpen(lines.slice(at, i + 1)));
  };
  return lines.findIndex((line, i) => i >= at && isEnd(line, i));
}

function nothingOpen(lines: string[]): boolean {
  const count = (pattern: RegExp) => lines.join('\n').match(pattern)?.length ?? 0;
  return count(/[{([]/g) === count(/[})\]]/g);
}

function withoutBodies(text: string, kind: Declaration['kind']): string {
  const bare = text.replace(/^export (?:async )?/, '');
  if (kind === 'function') return bare.replace(/^function\* /, 'function ').replace(/ \{$/, ';');
  return kind === 'class' ? bare.replaceAll(/\) \{\n.*?\n {2}\}/gs, ');') : bare;
}

function commentAbove(lines: string[], at: number): string {
  if (!lines[at - 1]?.endsWith('*/')) return '';
  let from = at - 1;
  while (!lines[from]!.startsWith('/**')) from -= 1;
  const stars = lines.slice(from, at).map((line) => line.replace(/^\/\*\* ?|^ \*\/| ?\*\/$|^ \* ?/g, ''));
  return stars.join('\n').trim();
}

/** Prose, then a list of parameters, result and errors. */
function markdownOf(comment: string): string {
  const text = comment
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll(/\{@link ([^}]+)\}/g, '`$1`')
    .replaceAll(/ ?@param (\w+) ?/g, '\n- `$1`: ')
    .replaceAll(/ ?@returns ?/g, '\n- Returns ')
    .replaceAll(/ ?@throws (\w+) ?/g, '\n- Throws `$1` ');
  return text.replace(/^(?!- )(.+)\n- /, '$1\n\n- ').trim();
}

/** The declaration, or for options the table from which they are read. */
function section({ name, comment, text }: Declaration, prefix = ''): string {
  const prose = comment === '' ? '' : `${markdownOf(comment)}\n\n`;
  const table = new Map(Object.entries({ trainOptions, predictOptions, exportOptions })).get(
    /Values<typeof (\w+)>/.exec(text)?.[1] ?? '',
  );
  if (!table) return `### ${prefix}${name}\n\n${prose}\`\`\`ts\n${text}\n\`\`\`\n`;
  const rows = describeOptions(table).map(
    (row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`,
  );
  return `### ${name}\n\n${prose}| name | value | default | |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

/** Types that declarations mention and that are not public themselves, and those that these mention. */
function mentionedTypes(shown: Declaration[]): Declaration[] {
  const known = new Set(shown.map(({ name }) => name));
  const found: Declaration[] = [];
  for (const queue = [...shown]; queue.length > 0; ) {
    const { text, file } = queue.shift()!;
    if (text.includes('Values<typeof')) continue;
    const code = text.replaceAll(/\/\*\*.*?\*\/|\/\/.*|'[^']*'/gs, '');
    for (const [name] of code.matchAll(/\b[A-Z]\w+/g)) {
      if (known.has(name)) continue;
      known.add(name);
      const declaration = findDeclaration(file, name);
      if (declaration?.kind !== 'interface' && declaration?.kind !== 'type') continue;
      found.push(declaration);
      queue.push(declaration);
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function exportsOf(file: string): Declaration[] {
  const names = linesOf(file).flatMap(
    (line) => /^export .*?(?:function|interface|type) (\w+)/.exec(line)?.[1] ?? [],
  );
  return names.map((name) => findDeclaration(file, name)!);
}

/** Every public declaration; those of `ops` apart. */
export function publicDeclarations(): { own: Declaration[]; ops: Declaration[] } {
  const names = publicNames();
  const ops = exportsOf(names.find(({ name }) => name === 'ops')!.file);
  const own = names
    .filter(({ name }) => name !== 'ops')
    .map(({ name, file }) => findDeclaration(file, name)!);
  return { own, ops };
}

const isType = ({ kind }: Declaration) => kind === 'interface' || kind === 'type';

/** The text of docs/api.md. */
export function renderApi(): string {
  const { own, ops } = publicDeclarations();
  const heading = readFileSync(publicNames().find(({ name }) => name === 'ops')!.file, 'utf8');
  const aboutOps = markdownOf(commentAbove(heading.split('\n'), heading.split('\n').indexOf(' */') + 1));
  const parts: [string, string, Declaration[]][] = [
    ['Functions and classes', '', own.filter((one) => !isType(one))],
    ['Types', '', own.filter(isType)],
    ['ops', `${aboutOps}\n\n`, ops],
    ['Types that these mention', 'Not exported by name.\n\n', mentionedTypes([...own, ...ops])],
  ];
  const sections = parts.map(
    ([title, about, declarations]) =>
      `## ${title}\n\n${about}${declarations.map((one) => section(one, title === 'ops' && !isType(one) ? 'ops.' : '')).join('\n')}`,
  );
  return `# API\n\n<!-- Written by \`npm run api\` from the doc comments. -->\n\n${INTRODUCTION}\n${sections.join('\n')}`;
}

const INTRODUCTION = `Every name that \`import ... from 'birbs-metal'\` or \`require('birbs-metal')\` gives. [examples/](../examples) shows them
in use. Errors that a user can mend are a \`UserError\` with one sentence; anything else is a fault of this package.
`;

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(root, 'docs/api.md'), renderApi());
