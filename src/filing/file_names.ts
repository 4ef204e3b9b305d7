/** Names from outside to names of files that may be made. */
import { UserError } from '../base/errors.ts';
import { printable } from '../base/words.ts';
import { IMAGE_NAMES, isPassedOver } from '../data/image_names.ts';
import { sniff } from '../data/sniff.ts';

/** Characters of a name; the limit of file systems is 255 bytes, and a number may be added. */
const LONGEST = 60;

const ENDINGS: [RegExp, string][] = [
  [/JPEG image$/, 'jpg'],
  [/PNG/, 'png'],
  [/WebP/, 'webp'],
  [/GIF/, 'gif'],
  [/AVIF/, 'avif'],
  [/TIFF/, 'tif'],
  [/BMP/, 'bmp'],
];

/**
 * The name under which an image is saved: without folders and characters that mean something to a file system or a
 * terminal, with the ending of an image.
 */
export function imageFileName(name: string, bytes: Uint8Array): string {
  const last = printable(name.replace(/^.*[/\\]/s, ''));
  const plain = last
    .replace(/[\ufffd<>:"|?*]/g, '_')
    .replace(/^[.\s]+/, '')
    .trim();
  const { description } = sniff(bytes);
  const ending = ENDINGS.find(([kind]) => kind.test(description))?.[1] ?? 'jpg';
  const found = IMAGE_NAMES.exec(plain)?.[0];
  const stem = [...(found ? plain.slice(0, -found.length) : plain)].slice(0, LONGEST).join('') || 'image';
  return `${stem}${found ?? `.${ending}`}`;
}

/** "photo.jpg" as "photo-2.jpg". */
export function numbered(name: string, number: number): string {
  if (number === 1) return name;
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? `${name}-${number}` : `${name.slice(0, dot)}-${number}${name.slice(dot)}`;
}

/** @throws UserError when a folder of this name would not be read as the class again */
export function checkFolderName(className: string): void {
  const isOne = !/[/\\\0]/.test(className) && className === className.trim() && className !== '';
  if (isOne && !isPassedOver(className) && Buffer.byteLength(className) <= 255) return;
  throw new UserError(
    `Expected a class that can be the name of a folder, but found ${JSON.stringify(className)}; rename the class and train again`,
  );
}
