/** A model that stays loaded, for servers and other programs that classify one image now and then. */
import { UserError } from '../base/errors.ts';
import { checkAddressSpace } from '../base/memory_limit.ts';
import { DECODES_IN_FLIGHT } from '../data/decode.ts';
import type { PredictOptions } from '../options.ts';
import { Batcher } from './batcher.ts';
import { openClassifier } from './classifier.ts';
import type { Verdict } from './prediction.ts';
import { Turns } from './turns.ts';

/** A trained model that is loaded and ready. */
export interface Predictor {
  /** In the order of the network's outputs. */
  readonly classNames: readonly string[];
  /**
   * Classifies the bytes of one image file (JPEG, PNG, WebP, GIF, AVIF, TIFF or BMP). Calls may be made at the same
   * time: a few images are decoded at once, and those that are ready go through the network together. The answer is
   * that of `predict` for a file with these bytes.
   * @param signal takes an image that has not been decoded yet out of the queue; the call rejects with its reason
   * @throws UserError with the reason alone ("is an HTML page, not ...") when the bytes are no image that can be read
   */
  predict(image: Uint8Array, signal?: AbortSignal): Promise<Verdict>;
  /** Frees the memory of the network once the calls under way have ended; later ones reject. Twice is fine. */
  dispose(): Promise<void>;
}

/** Options of a predictor: those of `predict` that are about the model. */
export type PredictorOptions = Omit<PredictOptions, 'model' | 'json' | 'why'>;

/**
 * Loads a model once for many images. For files and folders see `predict`.
 * @param model a weights file or a run folder; default the newest run in `runs/`
 * @param given options by name; the defaults are those of the command `predict`
 * @throws UserError when an option is wrong, there is no model, or it can't run
 */
export async function createPredictor(
  model?: string,
  given: Partial<PredictorOptions> = {},
): Promise<Predictor> {
  checkAddressSpace();
  const { classNames, predict, dispose } = await openPredictor({ ...given, model });
  return { classNames, predict, dispose };
}

/** A predictor that says what it is, for our own commands. */
export interface OpenPredictor extends Predictor {
  /** The weights file. */
  path: string;
  /** "oneDNN 3.5.3" */
  device: string;
}

/** As {@link createPredictor}. */
export async function openPredictor(given: Partial<PredictOptions>): Promise<OpenPredictor> {
  const classifier = await openClassifier(given);
  const decoding = new Turns(DECODES_IN_FLIGHT);
  const batcher = new Batcher(classifier.batchSize, classifier.classify);
  const calls = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  const classify = async (image: Uint8Array, signal?: AbortSignal) =>
    batcher.add(await decoding.take(() => classifier.decode(image), signal));
  return {
    path: classifier.model.path,
    device: classifier.device,
    classNames: classifier.reading.classNames,
    async predict(image, signal) {
      if (closing) throw new UserError('Expected a predictor in use, but found one after dispose()');
      if (!(image instanceof Uint8Array))
        throw new UserError(`Expected the bytes of an image as Uint8Array, but found ${typeof image}`, 2);
      const call = classify(image, signal);
      calls.add(call);
      return call.finally(() => calls.delete(call));
    },
    dispose() {
      closing ??= Promise.allSettled(calls).then(() => classifier.dispose());
      return closing;
    },
  };
}
