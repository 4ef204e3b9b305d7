/** Pictures with something in them, each different from the others. */
import sharp from 'sharp';

/** A JPEG of soft shapes in colours, drawn by lot from the number. */
export async function scene(number: number, { width = 240, height = 180 } = {}): Promise<Buffer> {
  let state = number * 2654435761 + 12345;
  const next = () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
  const shapes = Array.from({ length: 40 }, () => {
    const [x, y, r] = [next() * width, next() * height, 8 + next() * 40];
    // Light and dark first, colour second, as in photographs.
    const light = 190 * next();
    const colour = `rgb(${[next(), next(), next()].map((share) => Math.floor(light + 66 * share)).join(',')})`;
    return next() < 0.5
      ? `<circle cx="${x}" cy="${y}" r="${r}" fill="${colour}"/>`
      : `<rect x="${x}" y="${y}" width="${r * 1.6}" height="${r}" fill="${colour}"/>`;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#888"/>${shapes.join('')}</svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality: 90 }).toBuffer();
}
