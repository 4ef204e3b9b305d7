/** Which files are taken for images before any of them is read. */

/** Names of images. Those that can't be decoded are skipped with a reason, not passed over. */
export const IMAGE_NAMES = /\.(jpe?g|jpe|jfif|png|webp|gif|avif|tiff?|bmp|hei[cf]|svg|jxl|jp2|ico|psd)$/i;

/** Bytes; larger files are not read into memory. */
export const IMAGE_SIZE_LIMIT = 128 * 2 ** 20;

/** Folders that systems keep beside people's files: thumbnails, trash, metadata. Others of them begin with a dot. */
const SYSTEM_FOLDERS = new Set([
  ...['__macosx', '@eadir', '#recycle', '#snapshot', '@recycle', '@recently-snapshot'],
  ...['$recycle.bin', 'system volume information', 'lost+found'],
]);

/** Whether a file or folder of this name is hidden, or a system's own. */
export function isPassedOver(name: string): boolean {
  return name.startsWith('.') || SYSTEM_FOLDERS.has(name.toLowerCase());
}
