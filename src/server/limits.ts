/** What a server takes, and how it says no. */

export interface Limits {
  /** Bytes of a request. */
  bytes: number;
  /** Images in a request. */
  files: number;
  /** Requests with a body at the same time, those that wait included ... */
  requests: number;
  /** ... and the bytes that they may have together. */
  waitingBytes: number;
  /** Milliseconds for the head of a request. */
  headerMs: number;
  /** Milliseconds from the head of a request to its answer. */
  requestMs: number;
}

export const LIMITS: Limits = {
  bytes: 25_000_000,
  files: 64,
  requests: 128,
  waitingBytes: 400_000_000,
  headerMs: 10_000,
  requestMs: 30_000,
};

/** A request that is answered with a status of its own and a sentence. */
export class Refusal extends Error {
  override name = 'Refusal';
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}
