/** Groups of classes: sums of probabilities, and the level that is sure enough. */
import { expect, test } from 'vitest';
import { displayName } from '../../src/base/class_names.ts';
import { fitSureFrom, type Hierarchy, lowestSure, parseHierarchy } from '../../src/metrics/hierarchy.ts';

const HIERARCHY: Hierarchy = [
  { name: 'genus', groups: ['Tyto', 'Bubo', 'Turdus'], groupOf: [0, 1, 1, 2] },
  { name: 'order', groups: ['Owls', 'Songbirds'], groupOf: [0, 0, 0, 1] },
];

test('the lowest level whose likeliest group passes', () => {
  const shares = Float64Array.of(0.2, 0.3, 0.3, 0.2);
  expect(lowestSure(HIERARCHY, shares, 0.55)).toEqual({ level: 0, group: 1, probability: 0.6 });
  expect(lowestSure(HIERARCHY, shares, 0.7)).toMatchObject({ level: 1, group: 0 });
  expect(lowestSure(HIERARCHY, shares, 0.9)).toBeUndefined();
});

test('the bound is the lowest at which enough answers are right', async () => {
  // Of 20 images all are owls; the class is right where it is at 0.9, wrong where it is at 0.6.
  const rows = Array.from({ length: 20 }, (_, i) =>
    i < 10 ? [0.9, 0.05, 0.04, 0.01] : [0.6, 0.35, 0.04, 0.01],
  );
  const labels = Int32Array.from(rows, (_, i) => (i < 10 ? 0 : 1));
  const how = { classes: 4, wanted: 0.95 };
  expect(await fitSureFrom(HIERARCHY, Float64Array.from(rows.flat()), labels, how)).toBe(0.65);
});

test('what a file says of groups is taken only where it fits the classes', () => {
  expect(parseHierarchy(JSON.stringify(HIERARCHY), 4)).toEqual(HIERARCHY);
  for (const text of [undefined, '', '[]', '{"a":1}', '[{"name":"x","groups":["a"],"groupOf":[0,0,0,1]}]'])
    expect(parseHierarchy(text, 4)).toBeUndefined();
  expect(parseHierarchy(JSON.stringify(HIERARCHY), 5)).toBeUndefined();
});

test.each([
  ['017.Cardinal', 'Cardinal'],
  ['Northern_Cardinal', 'Northern Cardinal'],
  ['001.Black_footed_Albatross', 'Black footed Albatross'],
  ['House Sparrow (795)', 'House Sparrow (795)'],
  ['not-bird', 'not-bird'],
  ['3', '3'],
  ['__', '__'],
])('%s is shown as %s', (key, name) => {
  expect(displayName(key)).toBe(name);
});
