/** Names of classes as people read them. The keys, as the data has them, stay in files and answers. */

/** "Cardinal" for "017.Cardinal", "Northern Cardinal" for "Northern_Cardinal". */
export function displayName(key: string): string {
  const name = key
    .replace(/^\d+[\s._-]+(?=\p{L})/u, '')
    .replace(/_+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return name === '' ? key : name;
}
