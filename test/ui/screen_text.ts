/** What a person sees after a terminal was written to: enough of one for what the dashboard writes. */

export class ScreenText {
  readonly lines: string[] = [];
  #row = 0;
  isOwn = false;
  hasCursor = true;

  /** Everything, in order. */
  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    for (const [part, code] of text.matchAll(/\x1b\[([?\d;]*[a-zA-Z])|[^\x1b]+/g)) {
      const home = code?.match(/^(\d+);1H$/);
      if (home) this.#row = Number(home[1]) - 1;
      else if (code === '2J') this.lines.length = 0;
      else if (code === '2K') this.lines[this.#row] = '';
      else if (code === '?1049h' || code === '?1049l') this.isOwn = code.endsWith('h');
      else if (code === '?25h' || code === '?25l') this.hasCursor = code.endsWith('h');
      else if (code === undefined) this.lines[this.#row] = (this.lines[this.#row] ?? '') + part;
    }
  }

  get text(): string {
    return Array.from(this.lines, (line = '') => line.trimEnd()).join('\n');
  }
}
