/** Why a model answers as it does: the image with what speaks for the answer in red and what speaks against it in blue. */
import { UserError } from '../base/errors.ts';
import { saveFile } from '../base/files.ts';
import { quote } from '../base/words.ts';
import { classActivations, explainerOf, questionOf } from '../model/class_activation.ts';
import { heatPicture } from '../page/heat_picture.ts';
import type { Classifier } from './classifier.ts';

/** @throws UserError for a path that is no PNG, or more than one image */
export function checkExplanation(path: string, files: string[]): void {
  if (!/\.png$/i.test(path))
    throw new UserError(`Expected --why to name a .png file to write, but found ${quote(path)}`, 2);
  if (files.length !== 1)
    throw new UserError(`Expected one image with --why, but found ${files.length}; ask for one at a time`, 2);
}

/**
 * Writes the picture.
 * @param pixels as the classifier decodes them
 * @param guess class that was answered
 * @throws UserError where the network does not end in global average pooling, or the file can't be written
 */
export async function saveExplanation(
  { session, model: { network, values, path: model } }: Classifier,
  pixels: Uint8Array,
  guess: string,
  path: string,
): Promise<void> {
  const explainer = explainerOf(network, session.parameters, values);
  if (!explainer)
    throw new UserError(
      `Expected a network that ends in global average pooling for --why, but that of ${model} does not; train one such as lite0`,
    );
  const { height, width } = network.input;
  const logits = await session.predict(pixels, 1);
  const question = questionOf(logits, network.classNames.indexOf(guess));
  const [activation] = await classActivations(session, explainer, pixels, [question]);
  const { default: sharp } = await import('sharp');
  const picture = heatPicture(pixels, height, width, activation!);
  await saveFile(
    path,
    await sharp(picture, { raw: { height, width, channels: 3 } })
      .png()
      .toBuffer(),
  );
}
