/** What the page of `review` asks its server. */

import { percent } from '../base/words.ts';
import type { Dataset } from '../data/dataset.ts';
import { openImage } from '../data/decode.ts';
import type { ClassFolders } from '../filing/class_folders.ts';
import type { Verdict } from '../predictor/prediction.ts';
import { labelIn, undoRoute } from '../server/correction_routes.ts';
import { json, type Routes } from '../server/image_server.ts';
import { Refusal } from '../server/limits.ts';
import type { Doubt } from './doubts.ts';

export interface ReviewFacts {
  dataset: Pick<Dataset, 'names' | 'labels' | 'classNames' | 'supply'>;
  doubts: Doubt[];
  folders: ClassFolders;
  /** The answers to a few images, by position. */
  answers: (positions: number[]) => Promise<Verdict[]>;
}

/** Images of a page. */
const PAGE = 24;
/** Longest side of a picture in pixels. */
const SHOWN_SIZE = 640;

export function reviewRoutes({ dataset, doubts, folders, answers }: ReviewFacts): Routes {
  const { names, labels, classNames, supply } = dataset;
  const labelOf = ({ position }: Doubt) => classNames[labels[position]!]!;
  /** What this page has said of an image, by its number. */
  const said = new Map<number, string>();
  const doubtIn = (query: URLSearchParams): [at: number, doubt: Doubt] => {
    const text = query.get('at') ?? '';
    const doubt = /^\d{1,9}$/.test(text) ? doubts[Number(text)] : undefined;
    if (doubt) return [Number(text), doubt];
    throw new Refusal(404, `Expected ?at= of 0 to ${doubts.length - 1}, but found "${text.slice(0, 40)}"`);
  };
  return {
    ...undoRoute(folders),
    'GET /doubts': {
      async answer({ query }) {
        const from = Math.max(0, Number.parseInt(query.get('from') ?? '0', 10) || 0);
        const page = doubts.slice(from, from + PAGE);
        const verdicts = page.length > 0 ? await answers(page.map(({ position }) => position)) : [];
        const items = page.map((doubt, i) => {
          const { guess, certainty, probabilities } = verdicts[i]!;
          const shown = {
            at: from + i,
            kind: doubt.kind,
            name: names[doubt.position]!,
            label: labelOf(doubt),
          };
          return { ...shown, why: whyOf(doubt, labelOf(doubt), guess, certainty), probabilities };
        });
        return json({ total: doubts.length, items });
      },
    },
    'GET /image': {
      async answer({ query, signal }) {
        const [, { position }] = doubtIn(query);
        const image = await openImage(await supply.read(position, signal), 'none');
        const small = image
          .autoOrient()
          .resize(SHOWN_SIZE, SHOWN_SIZE, { fit: 'inside', withoutEnlargement: true });
        return { type: 'image/webp', body: await small.webp({ quality: 80 }).toBuffer() };
      },
    },
    'POST /label': {
      async answer({ query, body, signal }) {
        await body();
        const [at, doubt] = doubtIn(query);
        const label = labelIn(query, classNames);
        if (label === labelOf(doubt) && !said.has(at))
          return json({ confirmed: true, label, count: folders.count });
        const bytes = await supply.read(doubt.position, signal);
        const filed = await folders.save(label, names[doubt.position]!, bytes);
        said.set(at, label);
        return json({ ...filed, label, count: folders.count });
      },
    },
  };
}

function whyOf({ kind }: Doubt, label: string, guess: string, certainty: number): string {
  if (guess !== label) return `looks like ${guess}, ${percent(certainty, 0)}`;
  return kind === 'label' ? 'other images contradict its label' : `unsure, ${percent(certainty, 0)}`;
}
