/** The result of a check of sources: plain data, for the terminal, for programs and for the page. */

/** Findings by kind, the worst first. */
export const KINDS = [
  'contradiction',
  'lookalike',
  'leak',
  'unreadable',
  'damaged',
  'outside',
  'blank',
  'duplicate',
  'near',
  'imbalance',
  'mislabelled',
  'tiny',
  'turned',
  'cmyk',
  'deep',
  'animated',
  'transparent',
  'filtered',
] as const;

export type Kind = (typeof KINDS)[number];

/** An image of a finding. */
export interface Shown {
  /** As a person would find it. */
  name: string;
  /** Absent where it has none or can't be read. */
  className?: string;
  /** From a validation source. */
  validation?: true;
  /** Number of the image in the order of the sources. */
  image?: number;
}

/** One image that is out of the ordinary, or several that go together. */
export interface Item {
  images: Shown[];
  /** Why, in a few words. */
  reason: string;
}

export interface Finding {
  kind: Kind;
  /** Images it is about. */
  count: number;
  /** Whether training leaves those images out (`out`), or one side of them; `note`: no harm done, good to know. */
  weight: 'out' | 'look' | 'note';
  /** The worst first; not more than `ITEMS`. */
  items: Item[];
}

/** Items that are listed of a finding. */
export const ITEMS = 1000;

export interface ClassCount {
  name: string;
  /** Images that can be used. */
  training: number;
  validation: number;
}

export interface Report {
  sources: { source: string; images: number; ignored: number }[];
  /** Side that images are brought to for training, in pixels. */
  imageSize: number;
  /** Images that were looked at, and those of them that can be decoded. */
  images: number;
  readable: number;
  /** How labels were read, where that is not plain, and names that look like one. */
  notes?: string[];
  classes: ClassCount[];
  /** How many there are of each format. */
  formats: Record<string, number>;
  /** Of the images whose header has it: by area, the smallest, the middle and the largest; absent where none does. */
  dimensions?: Record<'smallest' | 'middle' | 'largest', [width: number, height: number]>;
  findings: Finding[];
}
