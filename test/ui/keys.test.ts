import { expect, test } from 'vitest';
import { listenToKeys } from '../../src/ui/keys.ts';
import { fakeTerminal } from './terminal.ts';

test('characters as they are, in however many pieces; other keys are "other"; nothing is left behind', () => {
  const { terminal, stdin, isRaw } = fakeTerminal();
  const listeners = () => stdin.eventNames().map((name) => [name, stdin.listenerCount(name)]);
  const before = listeners();
  const keys: string[] = [];
  const stop = listenToKeys(terminal.stdin, (key) => keys.push(key));
  const [first, second] = Buffer.from('ä');
  const pieces = ['vp', '\x1b[A', '\x1b[15~', '\x03', Buffer.of(first!), Buffer.of(second!), '\r'];
  for (const piece of pieces) stdin.emit('data', Buffer.from(piece));
  expect(keys).toEqual(['v', 'p', 'other', 'other', '\x03', 'ä', '\r']);
  stop();
  stdin.emit('data', Buffer.from('q'));
  expect([keys.length, isRaw, listeners()]).toEqual([7, [true, false], before]);
});
