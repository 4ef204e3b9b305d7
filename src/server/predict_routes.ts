/** What a served model answers. */
import { UserError } from '../base/errors.ts';
import type { Prediction } from '../predictor/prediction.ts';
import type { Predictor } from '../predictor/predictor.ts';
import { json, type Routes } from './image_server.ts';
import type { SentImage } from './request_body.ts';

/** @param about what `GET /model` says; `onAnswers` gets the number of answered images */
export function predictRoutes(
  predictor: Predictor,
  { about, onAnswers }: { about: () => object; onAnswers: (images: number) => void },
): Routes {
  const answer = async ({ name, bytes }: SentImage, signal: AbortSignal): Promise<Prediction> => {
    try {
      return { file: name, ...(await predictor.predict(bytes, signal)) };
    } catch (error) {
      if (error instanceof UserError) return { file: name, error: error.message };
      throw error;
    }
  };
  return {
    'GET /health': { isOpen: true, answer: () => json({ status: 'ok' }) },
    'GET /model': { answer: () => json(about()) },
    'POST /predict': {
      async answer({ images, signal }) {
        const { images: sent } = await images();
        const predictions = await Promise.all(sent.map((image) => answer(image, signal)));
        onAnswers(predictions.length);
        const [only] = predictions;
        if (predictions.length > 1 || !only) return json(predictions);
        return json(only, 'error' in only ? 422 : 200);
      },
    },
  };
}
