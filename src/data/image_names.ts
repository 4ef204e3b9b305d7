/** Which files are taken for images before any of them is read. */

/** Names of images. Those that can't be decoded are skipped with a reason, not passed over. */
export const IMAGE_NAMES = /\.(jpe?g|jpe|jfif|png|webp|gif|avif|tiff?|bmp|hei[cf]|svg|jxl|jp2|ico|psd)$/i;

/** Names of files that are often found beside images but are not images. */
const OTHER_NAMES = new RegExp(
  `\\.(${[
    'txt|md|rst|log|csv|tsv|jsonl?|ndjson|xml|ya?ml|toml|ini|cfg|conf|html?|css|xmp|aae|cls|url|webloc|lnk',
    'pdf|docx?|xlsx?|pptx?|odt|py|pyc|ipynb|m?js|ts|sh|bat|exe|dll|so|java|c|cpp|h|mat|npy|npz|pkl|pickle',
    'h5|hdf5|pth?|onnx|safetensors|tfrecord|parquet|arrow|feather|mdb|sqlite|db|zip|tar|tgz|gz|bz2|xz|zst|7z|rar',
    'mp4|m4v|mov|avi|mkv|webm|mp3|wav|flac|m4a|lock',
  ].join('|')})$`,
  'i',
);

/**
 * What the name of a file says of it. Everything else is decided by its first bytes: names without an ending, and the
 * tails that browsers and downloaders leave, such as "x.jpg?w=500", "x.jpg_large" and "x.jpg.1".
 */
export function kindOfName(name: string): 'image' | 'other' | undefined {
  if (IMAGE_NAMES.test(name)) return 'image';
  return OTHER_NAMES.test(name) ? 'other' : undefined;
}

const TAILED_NAMES = /\.(jpe?g|png|webp|gif|avif|tiff?|bmp)[^/a-z][^/]*$/i;

/** Whether a file that has first to be fetched is likely an image. */
export function mayBeImage(name: string): boolean {
  const kind = kindOfName(name);
  return kind === 'image' || (kind === undefined && TAILED_NAMES.test(name));
}

/** Number of skipped files whose names are kept; the others are only counted. */
export const IGNORED_NAMES = 10_000;

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
