/**
 * The live view of a training, as Ink draws it.
 * @jsxRuntime automatic
 */
import { Box, Transform, useInput } from 'ink';
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
  return (
    <Box width={frame.columns} height={frame.rows}>
      <Transform transform={(_, row) => lines[row] ?? ''}>{lines.map(() => ' ').join('\n')}</Transform>
    </Box>
  );
}
