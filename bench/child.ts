/** A rival in a process of its own, asked line by line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** As it was before the addon set what suits itself, which the rivals would inherit. */
const environment = { ...process.env };

export class LineChild {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  constructor(command: string, args: string[]) {
    this.#process = spawn(command, args, { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
    // A command that does not exist ends the output; `read` then throws.
    this.#process.on('error', (error) => {
      this.#errors += error.message;
    });
    this.#process.stdin!.on('error', () => {});
    this.#process.stderr!.on('data', (chunk) => {
      this.#errors += chunk;
    });
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  /** The next line the child prints. */
  async read(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (!done) return value;
    throw new Error(this.#errors.trim().split('\n').at(-1) || 'it ended without a word');
  }

  async ask(line: string): Promise<string> {
    this.#process.stdin!.write(`${line}\n`);
    return await this.read();
  }

  close(): void {
    this.#process.stdin!.end();
  }
}
