import { addressSpaceLimit, addressSpaceProblem } from '../setup/address_space.mjs';
import { UserError } from './errors.ts';

/** @throws UserError if the limit of address space is too low for Node.js and the image decoders */
export function checkAddressSpace(): void {
  const problem = addressSpaceProblem();
  if (problem) throw new UserError(problem);
}

/** Error codes of Node.js and the addon when memory or a thread can't be allocated. */
const CODES = new Set(['ENOMEM', 'EAGAIN', 'ERR_WORKER_OUT_OF_MEMORY', 'ERR_WORKER_INIT_FAILED']);

/** One sentence if an error means that memory ran out, else undefined. */
export function memoryProblem(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  // V8's errors have no code: "Array buffer allocation failed", "WebAssembly.Instance(): Out of memory: ...".
  const isV8 =
    error instanceof RangeError && /allocation failed|out of memory|could not allocate/i.test(error.message);
  if (!isV8 && !CODES.has(code ?? '')) return undefined;
  const limit = addressSpaceLimit();
  return Number.isFinite(limit)
    ? `${error.message}; the limit of address space is ${(limit / 1e9).toFixed(1)} GB, raise it with \`ulimit -v unlimited\``
    : `${error.message}; there is not enough memory: close other programs, or use a smaller batch or image size`;
}
