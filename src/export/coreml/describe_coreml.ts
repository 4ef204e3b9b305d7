/** What a Core ML model says of itself, whatever kind it is. */
import { version } from '../../base/version.ts';
import type { ExportedModel } from '../exported_model.ts';
import type { Message } from '../protobuf.ts';
import { ColorSpace, type CoreMLModel } from './coreml_messages.ts';

/** Names of the input and the outputs. */
export const IMAGE = 'image';
export const LABEL = 'label';
export const PROBABILITIES = 'probabilities';

export function describeCoreML({
  network,
  metadata,
}: ExportedModel): Message<typeof CoreMLModel>['description'] {
  const { classNames, input } = network;
  const own = { ...metadata, 'com.apple.coreml.model.preview.type': 'imageClassifier' };
  const licence = metadata.pretrainedLicence;
  return {
    input: [
      {
        name: IMAGE,
        shortDescription: `${input.width} x ${input.height} pixels (${input.fit})`,
        type: { imageType: { width: input.width, height: input.height, colorSpace: ColorSpace.rgb } },
      },
    ],
    output: [
      {
        name: PROBABILITIES,
        shortDescription: 'Calibrated probability of each class',
        type: { dictionaryType: { stringKeyType: {} } },
      },
      {
        name: LABEL,
        shortDescription: 'Class of the highest probability; see threshold and unsureBelow in the metadata',
        type: { stringType: {} },
      },
    ],
    predictedFeatureName: LABEL,
    predictedProbabilitiesName: PROBABILITIES,
    metadata: {
      shortDescription: `Image classifier: ${classNames.join(', ')}`,
      versionString: `birbs-metal ${version()}`,
      ...(licence ? { license: `Started from ${metadata.pretrainedSource}, ${licence}` } : {}),
      userDefined: Object.entries(own).map(([key, value]) => ({ key, value })),
    },
  };
}
