/** The live view of a training, as Ink draws it. */
import { Transform, useInput } from 'ink';
import { createElement } from 'react';
import { type Frame, frameLines } from './frame.ts';

export interface DashboardProps extends Frame {
  /** Told each key by its character; others than characters are "other". */
  onKey: (key: string) => void;
}

/**
 * All of the screen. Ink keeps whatever text it has measured for as long as the process lives: it is given blanks to
 * measure, which the lines then take the place of.
 */
export function Dashboard({ onKey, ...frame }: DashboardProps) {
  useInput((input, key) => {
    // What is typed fast comes at once.
    for (const one of key.ctrl && input === 'c' ? ['\x03'] : input === '' ? ['other'] : input) onKey(one);
  });
  const lines = frameLines(frame);
  const transform = (_: string, row: number) => lines[row] ?? '';
  // No JSX: how it is compiled would depend on the folder that tsx is started in.
  return createElement(Transform, { transform }, lines.map(() => ' ').join('\n'));
}
