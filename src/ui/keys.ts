/** Single key presses of a terminal, parsed by Node's readline. */

import { emitKeypressEvents } from 'node:readline';
import { PassThrough } from 'node:stream';

/**
 * Calls `onKey` for each key with its character; keys without one are "other".
 * @returns stops listening and gives the terminal its line mode back
 */
export function listenToKeys(stdin: NodeJS.ReadStream, onKey: (key: string) => void): () => void {
  // Readline leaves its listeners on what it reads from: on a stream of our own they go with it.
  const bytes = new PassThrough();
  emitKeypressEvents(bytes);
  bytes.on('keypress', (key: string | undefined) => onKey(key ?? 'other'));
  const onData = (chunk: Buffer) => bytes.emit('data', chunk);
  stdin.setRawMode(true);
  stdin.on('data', onData).resume();
  return () => {
    stdin.off('data', onData).pause();
    stdin.setRawMode(false);
  };
}
