/** Memory given back at once, where the garbage collector would come for it when there is much of it. */
import { MessageChannel } from 'node:worker_threads';

/** Buffers that are sent to nobody are gone. */
const nobody = new MessageChannel();
nobody.port2.close();

/** @param {ArrayBuffer[]} buffers that nobody reads any more */
export function free(buffers) {
  nobody.port1.postMessage(null, buffers);
}
