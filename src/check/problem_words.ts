/** What each kind of finding is called, and what to do about it. */
import type { Kind } from './check_result.ts';

export interface Words {
  title: string;
  /** What it means for training. */
  advice: string;
}

export const WORDS: Record<Kind, Words> = {
  contradiction: {
    title: 'The same picture under two classes',
    advice: 'One of the two labels is wrong. Training leaves all of them out until one is deleted.',
  },
  lookalike: {
    title: 'Look alike under two classes',
    advice: 'Nearly the same picture with different labels: most likely one label is wrong.',
  },
  leak: {
    title: 'In training and in validation',
    advice:
      'Validation on images that were trained on gives scores that are too good. Training leaves these copies out.',
  },
  unreadable: {
    title: 'Can’t be read',
    advice:
      'These are not images, whatever they are called, or could not be opened. Training leaves them out.',
  },
  damaged: {
    title: 'Damaged or cut off',
    advice: 'The file is cut off or damaged: get it again. Training leaves it out.',
  },
  outside: {
    title: 'Without a class',
    advice:
      'Nothing says what they show. Training leaves them out: move them into a class folder or label them.',
  },
  blank: {
    title: 'Blank',
    advice:
      'Nearly uniform colour: a failed download, a placeholder, a lens cap. They are useless for training.',
  },
  duplicate: {
    title: 'Exact copies',
    advice:
      'The same pixels more than once. They stay on one side of the split, but count twice in training.',
  },
  near: {
    title: 'Near copies',
    advice: 'Saved again, resized, trimmed, brightened or mirrored. They stay on one side of the split.',
  },
  imbalance: {
    title: 'Classes of unequal size',
    advice: 'Add images to the small classes; until then --balance evens out what an epoch sees.',
  },
  mislabelled: {
    title: 'Another type than the name says',
    advice: 'They are read by their content, so no harm is done here; other programs may fail on them.',
  },
  tiny: {
    title: 'Smaller than they are trained at',
    advice: 'They are enlarged and show less detail than the others. A smaller --image-size may do as well.',
  },
  turned: {
    title: 'Turned by EXIF',
    advice: 'The camera noted which way is up; they are turned before training.',
  },
  cmyk: { title: 'CMYK colours', advice: 'Made for print; they are converted to sRGB.' },
  deep: { title: 'More than 8 bits per channel', advice: 'They are converted to 8 bits.' },
  animated: { title: 'Animated', advice: 'Only the first frame is used.' },
  transparent: { title: 'With transparency', advice: 'Transparent parts become white.' },
  filtered: {
    title: 'Left out on purpose',
    advice: 'The source’s own rules left them out, such as texts that speak of birds among the negatives.',
  },
};
