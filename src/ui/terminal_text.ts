/** Lines of a given width. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];
/** What goes before and behind a text, by style. */
const codes = new Map<string, string[]>();

/** The same as `styleText`, which checks each time whether the terminal has colours. */
export function styled(style: Style, text: string): string {
  const key = String(style);
  const [before, behind] = codes.get(key) ?? styleText(style, '\0').split('\0');
  codes.set(key, [before!, behind!]);
  return before + text + behind;
}

/** Cut or filled to a width. */
export function toWidth(text: string, width: number): string {
  const room = Math.max(0, width);
  return text.length > room ? `${text.slice(0, Math.max(0, room - 1))}…`.slice(0, room) : text.padEnd(room);
}

/** Broken between words where that can be. */
export function folded(text: string, width: number): string[] {
  const lines: string[] = [];
  for (let rest = text; rest !== ''; ) {
    const end = rest.length <= width ? width : rest.lastIndexOf(' ', width);
    const line = rest.slice(0, end > 0 ? end : width);
    lines.push(line);
    rest = rest.slice(line.length).trimStart();
  }
  return lines;
}

/** A bar, `width` characters long. */
export function bar(share: number, width: number): string {
  const whole = Math.max(0, width);
  const full = Number.isFinite(share) ? Math.round(Math.min(1, Math.max(0, share)) * whole) : 0;
  return '█'.repeat(full) + '░'.repeat(whole - full);
}

/** "03:12", in the time zone of this machine. */
export function clock(at: number): string {
  const date = new Date(at);
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}
