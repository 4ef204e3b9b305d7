/** A command in this process, with what it prints: without the second that a process of its own takes to start. */
import { vi } from 'vitest';
import { UserError } from '../src/base/errors.ts';

type Command = (words: string[], signal: AbortSignal) => Promise<number>;

/** `onOutput` sees all of its output so far, and what interrupts it. */
export async function captured(
  command: Command,
  words: string[],
  onOutput: (stdout: string, interrupt: () => void) => void = () => {},
): Promise<{ code: number; stdout: string; message: string }> {
  const controller = new AbortController();
  let stdout = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text;
    onOutput(stdout, () => controller.abort());
    return true;
  });
  try {
    return { code: await command(words, controller.signal), stdout, message: '' };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { code: error.exitCode, stdout, message: error.message };
  } finally {
    spy.mockRestore();
  }
}
