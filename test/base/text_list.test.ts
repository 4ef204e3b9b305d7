/** A string where a list is expected is a list of one, in every public function that takes one. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { textList } from '../../src/base/text_list.ts';
import { encodeWeights } from '../../src/export/weights.ts';
import { loadDataset, predict, train, trainEvents } from '../../src/index.ts';
import { networkShapes, parameterCount } from '../../src/model/network_shapes.ts';
import { birbs } from '../../src/model/presets.ts';
import { picture, temporaryFolder } from '../images.ts';

const folder = temporaryFolder('texts');
afterAll(() => rmSync(folder, { recursive: true }));

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

test('one text, several, or anything that yields them', () => {
  expect(textList('photo.jpg')).toEqual(['photo.jpg']);
  expect(textList(['a', 'b'])).toEqual(['a', 'b']);
  expect(textList(new Set(['a', 'b']))).toEqual(['a', 'b']);
  expect(textList([])).toEqual([]);
  for (const wrong of ['', [''], [1], 1, null, undefined, {}, Buffer.from('a'), [['a']]])
    expect(() => textList(wrong, 'predict: '), String(wrong)).toThrow(
      /^predict: expected one or more non-empty strings, but found /,
    );
});

test('predict takes one file', async () => {
  const [photo, model] = [join(folder, 'photo.png'), join(folder, 'model.safetensors')];
  const network = birbs({ imageSize: 16, classNames: ['bird', 'not-bird'] });
  writeFileSync(photo, await picture(true, 1));
  writeFileSync(model, encodeWeights(network, new Float32Array(parameterCount(networkShapes(network)))));
  const found = [];
  for await (const prediction of predict(photo, { model })) found.push(prediction.file);
  expect(found).toEqual([photo]);
  await expect(predict(3 as never).next()).rejects.toThrow(
    'predict: expected one or more non-empty strings, but found 3',
  );
  await expect(predict(photo, model as never).next()).rejects.toThrow('Expected options by name');
});

describe('sources', () => {
  const missing = join(folder, 'nowhere');
  const refused = `No such folder: ${JSON.stringify(missing)}`;
  const common = { run: join(folder, 'run'), cache: folder, lock: join(folder, 'lock'), imageSize: 16 };
  const asString = missing as never;
  const given = [
    { data: asString },
    { birds: asString, notBirds: asString },
    { data: [folder], val: asString },
  ];
  test.each(given)('train and trainEvents: %j', async (sources) => {
    await expect(train({ ...common, ...sources })).rejects.toThrow(refused);
    await expect(drain(trainEvents({ ...common, ...sources }))).rejects.toThrow(refused);
    await expect(train({ ...common, data: 3 as never })).rejects.toThrow(
      '--data: expected one or more non-empty strings, but found 3',
    );
  });

  test.each(['data', 'birds', 'notBirds', 'validation'])('loadDataset: %s', async (role) => {
    const sources = { data: ['demo'], birds: [], notBirds: [], validation: [] };
    const rest = { imageSize: 16, fit: 'cover', cacheDir: folder } as const;
    await expect(loadDataset({ ...sources, ...rest, [role]: missing })).rejects.toThrow(refused);
    await expect(loadDataset({ ...sources, ...rest, [role]: 3 })).rejects.toThrow(
      `${role}: expected one or more non-empty strings, but found 3`,
    );
  });

  test('options that are none', async () => {
    await expect(train('photos' as never)).rejects.toThrow(
      'Expected options by name, as in { data: [\'photos\'] }, but found "photos"',
    );
  });
});
