/** One line on where the time of a run went, and what would make it faster. */
import { activities, type TimeSplit } from './stopwatch.ts';

/** What advice depends on besides the times. */
export interface AdviceFacts {
  device: string;
  precision: 'fp32' | 'fp16';
  /** Whether the data is larger than its cache. */
  streams: boolean;
  /** Whether only the head of a pretrained network is trained. */
  headOnly: boolean;
}

/** Shares of the whole that are too much: below these a run would hardly be shorter without. */
const LIMITS = { data: 0.1, saving: 0.1, validation: 0.3, host: 0.2, reading: 0.3 } as const;

/** The activity that limits a run: the one furthest above its share, else the device, as it should be. */
export function limitOf(time: TimeSplit): keyof typeof LIMITS | 'device' {
  const total = activities.reduce((sum, activity) => sum + (activity === 'paused' ? 0 : time[activity]), 0);
  const excess = (name: keyof typeof LIMITS) => time[name] / total / LIMITS[name];
  const [worst] = (Object.keys(LIMITS) as (keyof typeof LIMITS)[]).sort((a, b) => excess(b) - excess(a));
  return total > 0 && excess(worst!) > 1 ? worst! : 'device';
}

/** The advice as a sentence: "Waiting for data limits you (34% of the time): ...". */
export function adviceOn(time: TimeSplit, facts: AdviceFacts): string {
  // A few seconds, of which the next run on the same images has fewer.
  if (facts.headOnly)
    return 'The features of these images are in the cache: the next run on them takes a second or two';
  const limit = limitOf(time);
  const total = activities.reduce((sum, activity) => sum + (activity === 'paused' ? 0 : time[activity]), 0);
  const share = total > 0 ? `${Math.round((100 * time[limit]) / total)}% of the time` : 'no time yet';
  return `${SUBJECTS[limit]} (${share}): ${remedy(limit, facts)}`;
}

const SUBJECTS = {
  data: 'Waiting for data limits you',
  saving: 'Saving limits you',
  validation: 'Validation limits you',
  host: 'Small steps limit you',
  reading: 'Reading and decoding the images limits you',
  device: 'The device limits you, as it should',
};

function remedy(limit: ReturnType<typeof limitOf>, { device, precision, streams }: AdviceFacts): string {
  switch (limit) {
    case 'data':
      return streams
        ? 'the images are decoded again each epoch; a larger --cache-limit keeps them'
        : 'other programs on the machine, or a slow disk below --cache, hold up the batches';
    case 'saving':
      return 'a larger --checkpoint-minutes, or --run on a faster disk, saves less often or sooner';
    case 'validation':
      return 'a smaller --val-fraction, or ?limit=N on --val, validates on fewer images';
    case 'host':
      return 'a larger --batch-size gives the device more to do at a time';
    case 'reading':
      return 'they are in the cache now, the next run begins at once; a longer run makes more of them';
    case 'device':
      if (device === 'metal' && precision === 'fp32')
        return '--precision fp16 or a smaller --image-size is faster';
      return device === 'metal'
        ? 'a smaller --image-size is faster'
        : 'a Mac with an Apple GPU or a smaller --image-size is faster';
  }
}
