/** The dashboard in a terminal: events in, keys out, drawn as often as it may cost. */
import { printable } from '../base/words.ts';
import type { TrainEvent } from '../training/train_events.ts';
import { gradeOf } from '../training/verdict.ts';
import { headline, lastingLines } from './console.ts';
import { type Frame, frameLines, GRADE_COLORS } from './frame.ts';
import { listenToKeys } from './keys.ts';
import { addMessage, newState, takeEvent } from './live_state.ts';
import { LEAST_MS, Pace } from './pace.ts';
import { Screen } from './screen.ts';
import type { Terminal } from './terminal_fits.ts';
import { styled } from './terminal_text.ts';
import { views } from './views.ts';

export interface LiveOptions {
  /** The command that the summary advises. */
  predict: string;
  /** Aborted when the run is to stop: the view then closes without waiting for a key. */
  signal: AbortSignal;
  /** The user wants to stop: once to save and end, twice to end at once. */
  interrupt: () => void;
}

const SECOND_MS = 1000;
/** Lines that are left behind at most. */
const MOST_LINES = 200;

export class LiveView {
  readonly pace = new Pace();
  readonly #terminal: Terminal;
  readonly #options: LiveOptions;
  readonly #screen: Screen;
  readonly #stopKeys: () => void;
  readonly #linesOf: (event: TrainEvent) => string[];
  readonly #state = newState();
  readonly #summary: string[] = [];
  #view = 0;
  #help = false;
  #changed = false;
  #failed = false;
  #timer: NodeJS.Timeout | undefined;
  #held: { promise: Promise<void>; release: () => void } | undefined;
  /** Called when the screen may be left. */
  #leave = () => {};
  readonly #left = new Promise<void>((resolve) => {
    this.#leave = resolve;
  });

  constructor(terminal: Terminal, options: LiveOptions) {
    this.#terminal = terminal;
    this.#options = options;
    this.#linesOf = lastingLines(options.predict);
    const { stdout, stdin } = terminal;
    this.#screen = new Screen(terminal, this.#onText);
    this.#stopKeys = listenToKeys(stdin, this.#onKey);
    stdout.on('resize', this.#onResize);
    stdin.on('error', this.#onHangup).on('end', this.#onHangup);
    process.on('SIGHUP', this.#onHangup);
    options.signal.addEventListener('abort', this.#onAbort);
    this.#draw();
  }

  readonly onEvent = (event: TrainEvent): void => {
    const lines = this.#linesOf(event);
    takeEvent(this.#state, event, lines, Date.now());
    if (event.type !== 'epoch') this.#summary.push(...lines.map((line) => inColor(line, event)));
    if (this.#summary.length > MOST_LINES) this.#summary.splice(0, this.#summary.length - MOST_LINES);
    if (this.#failed) for (const line of lines) this.#terminal.stdout.write(`${line}\n`);
    this.#changed = true;
    if (event.type === 'start' || event.type === 'end') this.#draw();
  };

  /** Pending while the user holds the training. */
  readonly paused = (): Promise<void> | undefined => this.#held?.promise;

  /** Waits for a key if the training ended on its own; then restores the screen and prints the summary. */
  async close(): Promise<void> {
    if (this.#state.ended && !this.#options.signal.aborted && !this.#failed) await this.#left;
    clearTimeout(this.#timer);
    const { stdout, stdin } = this.#terminal;
    stdout.off('resize', this.#onResize);
    process.off('SIGHUP', this.#onHangup);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    stdin.off('error', this.#onHangup).off('end', this.#onHangup);
    if (this.#failed) return;
    this.#giveBack();
    for (const line of this.#summary) stdout.write(`${line}\n`);
  }

  #giveBack(): void {
    this.#stopKeys();
    this.#screen.close();
  }

  /** A view that fails must not end a training: lines follow. */
  #fail(error: unknown): void {
    this.#failed = true;
    this.#leave();
    this.#release();
    this.#giveBack();
    const { stdout } = this.#terminal;
    for (const line of this.#summary) stdout.write(`${line}\n`);
    stdout.write(`The live view failed (${printable(String(error))}); the training continues.\n`);
  }

  #frame(): Frame {
    const { columns, rows } = this.#terminal.stdout;
    return {
      state: this.#state,
      view: views[this.#view]!,
      help: this.#help,
      columns,
      rows,
      paused: this.#held !== undefined,
      stopping: this.#options.signal.aborted,
      now: Date.now(),
    };
  }

  /** Draws now, and then again when there is something new and it is time. */
  #draw(): void {
    if (this.#failed) return;
    clearTimeout(this.#timer);
    this.#changed = false;
    try {
      this.pace.measure(() => this.#screen.paint(frameLines(this.#frame())));
    } catch (error) {
      this.#fail(error);
      return;
    }
    // Before the first step there is nothing to hold up.
    const wait = this.#state.start ? this.pace.wait : LEAST_MS;
    const drawn = performance.now();
    const again = () => {
      // The time that has gone by is news as well.
      if (this.#changed || (!this.#state.ended && performance.now() - drawn >= SECOND_MS)) this.#draw();
      else this.#timer = setTimeout(again, wait);
    };
    this.#timer = setTimeout(again, wait);
  }

  readonly #onKey = (key: string): void => {
    const word = key.toLowerCase();
    if (word === 'v') [this.#view, this.#help] = [(this.#view + 1) % views.length, false];
    else if (word === '?') this.#help = !this.#help;
    else if (this.#state.ended) this.#leave();
    else if (word === 'q' || word === '\x03') this.#options.interrupt();
    else if (word === 'p' && this.#held) this.#release();
    else if (word === 'p') this.#pause();
    this.#screen.clear();
    this.#draw();
  };

  #pause(): void {
    let release = () => {};
    const promise = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#held = { promise, release };
  }

  #release(): void {
    this.#held?.release();
    this.#held = undefined;
  }

  readonly #onAbort = (): void => {
    this.#release();
    this.#leave();
    this.#draw();
  };

  /** The terminal was closed: the state is saved. */
  readonly #onHangup = (): void => {
    if (this.#options.signal.aborted) return;
    this.#leave();
    this.#options.interrupt();
  };

  readonly #onResize = (): void => {
    this.#screen.clear();
    this.#draw();
  };

  readonly #onText = (text: string): void => {
    for (const line of text.split('\n'))
      if (line !== '') addMessage(this.#state, printable(line), Date.now());
    this.#changed = true;
  };
}

/** What the model is worth stands out from the rest of the summary. */
function inColor(line: string, event: TrainEvent): string {
  if (event.type !== 'end' || !event.results.best) return line;
  const results = { ...event.results, best: event.results.best };
  return line === printable(headline(results))
    ? styled([GRADE_COLORS[gradeOf(results)], 'bold'], line)
    : line;
}
