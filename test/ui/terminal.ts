/** A terminal that keeps what is written to it. */
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Terminal } from '../../src/ui/terminal_fits.ts';
import { ScreenText } from './screen_text.ts';

export function fakeTerminal(columns = 80, rows = 24) {
  const screen = new ScreenText();
  const written: string[] = [];
  const errors: string[] = [];
  const isRaw: boolean[] = [];
  const stdout = Object.assign(new EventEmitter(), {
    ...{ columns, rows, isTTY: true },
    write(text: string) {
      written.push(text);
      screen.write(text);
      return true;
    },
  });
  const stderr = Object.create({ write: (text: string) => errors.push(text) > 0 });
  stderr.isTTY = true;
  const stdin = Object.assign(new PassThrough(), {
    ...{ isTTY: true, ref() {}, unref() {} },
    setRawMode: (mode: boolean) => isRaw.push(mode),
  });
  const terminal = { stdout, stderr, stdin } as unknown as Terminal;
  return { terminal, stdout, stdin, stderr, screen, written, errors, isRaw };
}
