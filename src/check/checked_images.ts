/** All images of some sources in one list, with the facts about each. */
import type { OpenSource } from '../data/assemble.ts';
import { headerOf } from '../data/cache/image_facts.ts';
import type { Header } from '../data/cache/image_header.ts';
import type { PreparedPart } from '../data/fill.ts';
import type { Shown } from './check_result.ts';

export interface CheckedImage {
  part: PreparedPart;
  /** Of the image in its part. */
  index: number;
  /** Of the source. */
  source: number;
  name: string;
  className?: string;
  validation: boolean;
  /** Why it can't be used; absent: it can. */
  problem?: string;
  content: string;
  pixelHash: string;
  look: string;
  /** From the source. */
  group?: string;
  header?: Header;
}

/** In the order of the sources; images of labels that are not asked for are passed over. */
export function checkedImages(opened: OpenSource[]): CheckedImage[] {
  const images: CheckedImage[] = [];
  for (const [source, { role, parts, classOf, whyUnlabelled }] of opened.entries()) {
    for (const part of parts) {
      const { listing, contents, pixelHashes, looks, reasons, passing } = part;
      for (let index = 0; index < listing.count; index++) {
        const className = classOf(part, index);
        const unlabelled =
          className === undefined && role !== 'birds' ? whyUnlabelled(part, index) : undefined;
        if (className === undefined && unlabelled === undefined) continue;
        const problem = unlabelled ?? reasons.get(index) ?? passing.get(index);
        const name = part.part.nameOf(listing.names?.[index] ?? String(index));
        const known = {
          content: contents[index]!,
          pixelHash: pixelHashes[index]!,
          look: looks[index]!,
          group: listing.groups?.[index],
          header: headerOf(looks[index]!),
        };
        images.push({
          part,
          index,
          source,
          name,
          className,
          problem,
          ...known,
          validation: role === 'validation' || listing.heldOut?.[index] === 1,
        });
      }
    }
  }
  return images;
}

/** An image as a finding shows it. */
export function shown(images: CheckedImage[], image: number): Shown {
  const { name, className, validation } = images[image]!;
  return { name, className, image, ...(validation ? { validation: true } : {}) };
}
