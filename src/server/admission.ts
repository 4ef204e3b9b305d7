/** How many requests are worked on at a time, and how much memory their bodies may take. */
import { type Limits, Refusal } from './limits.ts';

export class Admission {
  readonly #limits: Pick<Limits, 'requests' | 'waitingBytes'>;
  #requests = 0;
  #bytes = 0;

  constructor(limits: Pick<Limits, 'requests' | 'waitingBytes'>) {
    this.#limits = limits;
  }

  /** Requests that have a place. */
  get requests(): number {
    return this.#requests;
  }

  /**
   * @param bytes of its body, at most
   * @returns what gives the place back; twice is fine
   * @throws Refusal when there is no room
   */
  enter(bytes: number): () => void {
    const { requests, waitingBytes } = this.#limits;
    if (this.#requests >= requests || this.#bytes + bytes > waitingBytes)
      throw new Refusal(429, `${this.#requests} requests are being answered; try again in a second`, {
        'retry-after': '1',
      });
    this.#requests += 1;
    this.#bytes += bytes;
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.#requests -= 1;
      this.#bytes -= bytes;
    };
  }
}
