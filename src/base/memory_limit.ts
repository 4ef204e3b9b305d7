import { addressSpaceLimit, addressSpaceProblem } from '../setup/address_space.mjs';
import { UserError } from './errors.ts';

/** @throws UserError where the process may have less memory than Node.js and the decoders need */
export function checkAddressSpace(): void {
  const problem = addressSpaceProblem();
  if (problem) throw new UserError(problem);
}

/** Codes of Node.js and of the addon where memory or a thread could not be had. */
const CODES = new Set(['ENOMEM', 'EAGAIN', 'ERR_WORKER_OUT_OF_MEMORY', 'ERR_WORKER_INIT_FAILED']);

/** One sentence where an error says that memory ran out, whoever noticed; else undefined. */
export function memoryProblem(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  // V8 has no code: "Array buffer allocation failed", "WebAssembly.Instance(): Out of memory: ...".
  const isV8 =
    error instanceof RangeError && /allocation failed|out of memory|could not allocate/i.test(error.message);
  if (!isV8 && !CODES.has(code ?? '')) return undefined;
  const limit = addressSpaceLimit();
  return Number.isFinite(limit)
    ? `${error.message}; the limit of address space is ${(limit / 1e9).toFixed(1)} GB, raise it with \`ulimit -v unlimited\``
    : `${error.message}; there is not enough memory: close other programs, or use a smaller batch or image size`;
}
