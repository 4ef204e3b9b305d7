/** Whether there is a terminal that the dashboard fits in. */

export interface Terminal {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  stdin: NodeJS.ReadStream;
}

/** Characters across and down that it needs. */
export const LEAST = { columns: 60, rows: 16 };

/** Whether there is a terminal that can show it, and somebody to look at it. */
export function canShow(
  { stdout, stdin }: Omit<Terminal, 'stderr'>,
  env: NodeJS.ProcessEnv = process.env,
): boolean {
  if (!stdout.isTTY || !stdin.isTTY || env.CI) return false;
  // The console of Linux has no braille.
  if (!env.TERM || env.TERM === 'dumb' || env.TERM === 'linux') return false;
  return stdout.columns >= LEAST.columns && stdout.rows >= LEAST.rows;
}
