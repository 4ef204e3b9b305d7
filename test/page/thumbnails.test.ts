import sharp from 'sharp';
import { expect, test } from 'vitest';
import { thumbnails } from '../../src/page/thumbnails.ts';

test('thumbnails are the pixels, small', async () => {
  const asked: number[] = [];
  const source = {
    ...{ height: 200, width: 200 },
    async assemble(positions: Uint32Array, output: Uint8Array) {
      asked.push(...positions);
      for (const [i, position] of positions.entries()) output.fill(position, i * 120_000, (i + 1) * 120_000);
    },
  };
  const uris = await thumbnails(source, [40, 200]);
  expect(asked).toEqual([40, 200]);
  for (const [i, grey] of [40, 200].entries()) {
    expect(uris[i]).toMatch(/^data:image\/webp;base64,/);
    const { data, info } = await sharp(Buffer.from(uris[i]!.split(',')[1]!, 'base64'))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([200, 200]);
    expect(Math.abs(data[0]! - grey)).toBeLessThan(4);
  }
  expect(await thumbnails(source, [])).toEqual([]);
});
