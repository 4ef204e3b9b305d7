/** A curve that grows for ever in bounded memory. */

export interface Point {
  x: number;
  y: number;
}

/** Points that are kept; beyond it neighbours become one. */
const MOST_POINTS = 2048;

export class Series {
  points: Point[] = [];
  /** The last value that was added, where it is a number. */
  last = Number.NaN;
  /** Values that a new point is the mean of. */
  #merged = 1;
  #sum = { x: 0, y: 0, count: 0 };

  /** NaN and infinity add no point. */
  add(x: number, y: number): void {
    this.last = y;
    if (!Number.isFinite(y)) return;
    const sum = this.#sum;
    sum.x += x;
    sum.y += y;
    sum.count += 1;
    if (sum.count < this.#merged) return;
    this.points.push({ x: sum.x / sum.count, y: sum.y / sum.count });
    this.#sum = { x: 0, y: 0, count: 0 };
    if (this.points.length >= MOST_POINTS) this.#halve();
  }

  /** Forgets what comes after `x`: the run has gone back there. */
  cutAfter(x: number): void {
    this.points = this.points.filter((point) => point.x <= x);
    this.#sum = { x: 0, y: 0, count: 0 };
  }

  #halve(): void {
    this.points = this.points.flatMap((point, i, all) => {
      const next = all[i + 1];
      return i % 2 === 1 || !next ? [] : [{ x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 }];
    });
    this.#merged *= 2;
  }
}
