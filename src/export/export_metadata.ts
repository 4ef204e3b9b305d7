/** What an exported file says of itself, as texts. */
import { version } from '../base/version.ts';
import type { Calibration } from '../metrics/calibration.ts';
import type { Network } from '../model/network.ts';

/** Origin of a network, as far as known. */
export interface Origin {
  /** Of the images that it was trained on; see `Dataset.hash`. */
  dataHash?: string | undefined;
  /** Of the weights that its training started from. */
  pretrained?: { source?: string; licence?: string; sha256?: string } | undefined;
}

/** `names`, `task` and `imgsz` are the keys that readers of Ultralytics' files know. */
export function exportMetadata(
  { input, classNames }: Network,
  { temperature, threshold, unsureBelow }: Calibration,
  { dataHash, pretrained }: Origin,
): Record<string, string> {
  const known = {
    dataHash,
    pretrainedSource: pretrained?.source,
    pretrainedLicence: pretrained?.licence,
    pretrainedSha256: pretrained?.sha256,
    threshold: threshold === undefined ? undefined : String(threshold),
  };
  return {
    task: 'classify',
    names: JSON.stringify(Object.fromEntries(classNames.entries())),
    labels: JSON.stringify(classNames),
    imgsz: JSON.stringify([input.height, input.width]),
    fit: input.fit,
    resize: 'lanczos3',
    background: '#ffffff',
    temperature: String(temperature),
    unsureBelow: String(unsureBelow),
    tool: `birbs-metal ${version()}`,
    ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)),
  } as Record<string, string>;
}
