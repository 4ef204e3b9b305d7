/** Releases buffers at once; the garbage collector would let them pile up first. */
import { MessageChannel } from 'node:worker_threads';

/** A buffer that is transferred to a closed port is gone. */
const channel = new MessageChannel();
channel.port2.close();

/** @param buffers that nothing reads any more */
export function freeBuffers(buffers: ArrayBuffer[]): void {
  channel.port1.postMessage(null, buffers);
}
