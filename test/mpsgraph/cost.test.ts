/** What a steady step costs, counted: `npm run bench -- metal-cost` counts more of them. */
import { expect, it } from 'vitest';
import { metalCost } from '../../bench/metal_cost.ts';
import { describeStandin } from './standin.ts';

describeStandin('a steady step on metal', () => {
  it('compiles, waits, copies and allocates nothing', () => {
    const figures = [...metalCost(100)];
    expect(figures.map(({ what, count }) => [what, count])).toEqual(
      figures.map(({ what, wanted }) => [what, wanted]),
    );
    expect(figures.length).toBeGreaterThan(6);
  });
});
