/** A screen of its own in the terminal, which is given back whatever happens. */
import type { Terminal } from './terminal_fits.ts';

/** Hides the cursor and disables line wrapping, since terminals differ in the width of some characters. */
const OPEN = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const BACK = '\x1b[0m\x1b[?7h\x1b[?1049l\x1b[?25h';
/** Around what is to appear at once. */
const SYNCHRONIZED = { begin: '\x1b[?2026h', end: '\x1b[?2026l' };
const CLEAR_LINE = '\x1b[2K';
/** Lines of the error output that are kept for later. */
const MOST_HELD = 200;

export class Screen {
  readonly #terminal: Terminal;
  #shown: string[] = [];
  #isOpen = true;
  /** What others wrote to the error output: it would spoil the screen. */
  readonly #held: string[] = [];
  /** Runs on every exit of the process; Node.js calls it before it prints an uncaught error. */
  readonly #giveBack = () => this.close();

  /** @param onText gets what others write to the error output; it is written there once the screen is given back */
  constructor(terminal: Terminal, onText: (text: string) => void) {
    this.#terminal = terminal;
    process.on('exit', this.#giveBack);
    const { stderr } = terminal;
    if (stderr.isTTY) stderr.write = this.#hold(onText);
    terminal.stdout.write(OPEN);
  }

  /** Shows lines from the top; those that are there already are left alone. */
  paint(lines: string[]): void {
    if (!this.#isOpen) return;
    let text = '';
    for (let row = 0; row < Math.max(lines.length, this.#shown.length); row++) {
      const line = lines[row] ?? '';
      if (line !== this.#shown[row]) text += `\x1b[${row + 1};1H${CLEAR_LINE}${line}`;
    }
    this.#shown = lines;
    if (text !== '') this.#terminal.stdout.write(SYNCHRONIZED.begin + text + SYNCHRONIZED.end);
  }

  /** The terminal's content is unknown: repaints everything. */
  clear(): void {
    this.#shown = [];
    if (this.#isOpen) this.#terminal.stdout.write('\x1b[2J');
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.#giveBack);
    const { stdout, stderr } = this.#terminal;
    stdout.write(SYNCHRONIZED.end + BACK);
    if (Object.hasOwn(stderr, 'write')) delete (stderr as Partial<typeof stderr>).write;
    for (const text of this.#held) stderr.write(text);
  }

  #hold(onText: (text: string) => void): typeof process.stderr.write {
    return (chunk: string | Uint8Array, ...more: unknown[]) => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      this.#held.push(text);
      if (this.#held.length > MOST_HELD) this.#held.shift();
      onText(text);
      const done = more.find((one) => typeof one === 'function');
      if (done) process.nextTick(done);
      return true;
    };
  }
}
