/** What a person says of images that a page shows, saved where the next training finds it. */
import { sniff } from '../data/sniff.ts';
import type { ClassFolders } from '../filing/class_folders.ts';
import { json, type Routes } from './image_server.ts';
import { Refusal } from './limits.ts';

/** One of the classes. @throws Refusal */
export function labelIn(query: URLSearchParams, classNames: readonly string[]): string {
  const label = query.get('label') ?? '';
  if (classNames.includes(label)) return label;
  throw new Refusal(
    400,
    `Expected ?label= to be one of ${classNames.slice(0, 20).join(', ')}, but found "${label.slice(0, 100)}"`,
  );
}

export function undoRoute(folders: ClassFolders): Routes {
  return {
    'POST /undo': {
      async answer({ body }) {
        await body();
        const undone = await folders.undo();
        return json({ undone: undone ?? null, count: folders.count });
      },
    },
  };
}

/** The image is the body: nothing is kept of the requests before. */
export function correctionRoutes(folders: ClassFolders, classNames: readonly string[]): Routes {
  return {
    ...undoRoute(folders),
    'POST /correct': {
      async answer({ query, images }) {
        const label = labelIn(query, classNames);
        const [image] = (await images()).images;
        if (!image) throw new Refusal(400, 'Expected the bytes of an image, but found none');
        const kind = sniff(image.bytes);
        if (!kind.readable)
          throw new Refusal(415, `Expected an image to save, but what was sent ${kind.description}`);
        const filed = await folders.save(label, query.get('name') ?? image.name, image.bytes);
        return json({ ...filed, label, count: folders.count });
      },
    },
  };
}
