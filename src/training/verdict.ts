/** How good a model is, in terms of the user's question. */
import { displayName } from '../base/class_names.ts';
import { count, percent, printable } from '../base/words.ts';
import { chanceMargin, classCounts, classSizes, type Metrics } from '../metrics/metrics.ts';
import { shorten } from '../page/html.ts';

/** Poor: no better than guessing, or more answers are wrong than right for the class in question. */
export type Grade = 'good' | 'fair' | 'poor';

export interface Judged {
  classNames: string[];
  best: Metrics;
  betterThanMajority: boolean;
}

/** Lowest precision and recall of a fair and of a good model. */
const LEAST = { fair: 0.5, good: 0.8 };

/** The grade by the worse of precision and recall: of the first class if that is the question, else of all classes. */
export function gradeOf({ classNames, best, betterThanMajority }: Judged): Grade {
  const judged = classNames.length === 2 && !isQuestion(classNames) ? best.perClass : [best];
  const least = Math.min(...judged.flatMap(({ precision, recall }) => [precision, recall]));
  if (!betterThanMajority || least < LEAST.fair) return 'poor';
  return least < LEAST.good ? 'fair' : 'good';
}

/** A predicate for the subject "It", without a full stop: "finds 9 of 12 birds; half of what it calls bird is something else". */
export function verdictOf({ classNames, best, betterThanMajority }: Judged): string {
  const names = classNames.map(shownName);
  const said =
    names.length > 2
      ? amongMany(names, best)
      : isQuestion(classNames)
        ? ofQuestion(names[0]!, best)
        : ofPair(names, best);
  return betterThanMajority ? said : `is no better than guessing: it ${said}`;
}

/** Whether the second of two classes is the complement of the first. */
export function isQuestion(classNames: string[]): boolean {
  return classNames.length === 2 && classNames[1] === `not-${classNames[0]}`;
}

function ofQuestion(name: string, metrics: Metrics): string {
  const { images, guesses, found } = classCounts(metrics, 0);
  if (guesses === 0) return `calls nothing ${name}`;
  if (guesses === classSizes(metrics).reduce((a, b) => a + b, 0)) return `calls everything ${name}`;
  const things = name === 'bird' ? 'birds' : `${name} images`;
  const calls =
    found === guesses
      ? `all it calls ${name} is ${name}`
      : `${partOf(guesses - found, guesses)} of what it calls ${name} is something else`;
  return `finds ${amountOf(found, images)} ${things}; ${calls}`;
}

function ofPair(names: string[], metrics: Metrics): string {
  const [first, second] = names.map((name, k) => {
    const { images, found } = classCounts(metrics, k);
    return `${amountOf(found, images)} ${name} images`;
  });
  return `recognises ${first} and ${second}`;
}

function amongMany(names: string[], metrics: Metrics): string {
  const { balancedAccuracy, perClass, topFive } = metrics;
  const share = (value: number) => percent(value, value < 0.1 ? 1 : 0);
  const sizes = classSizes(metrics);
  const recalls = perClass.flatMap(({ recall }, k) => (sizes[k]! > 0 ? [recall] : []));
  const least = recalls.reduce((a, b) => Math.min(a, b), 1);
  const weakest = perClass.flatMap(({ recall }, k) => (recall === least && sizes[k]! > 0 ? [names[k]!] : []));
  const others = weakest.length > 1 ? ` and ${count(weakest.length - 1)} more` : '';
  const five =
    topFive !== undefined && names.length > FIVE_MATTERS
      ? ` (among its first five guesses ${share(topFive)})`
      : '';
  return `is right ${share(balancedAccuracy)} of the time${five}, where guessing among ${names.length} classes is right ${share(1 / names.length)}; it finds ${share(least)} of the weakest class, ${weakest[0]}${others}`;
}

/** Of fewer classes five guesses are most of them. */
const FIVE_MATTERS = 10;

function shownName(name: string): string {
  return printable(shorten(displayName(name), 40));
}

/** Small numbers as counts, large ones as a percentage. */
function amountOf(part: number, whole: number): string {
  return whole <= 100 ? `${part} of ${whole}` : `${percent(part / whole, 0)} of ${count(whole)}`;
}

const PARTS = [
  [1 / 4, 'a quarter'],
  [1 / 3, 'a third'],
  [1 / 2, 'half'],
  [2 / 3, 'two thirds'],
  [3 / 4, 'three quarters'],
] as const;
/** Largest difference between a share and the word used for it. */
const NEAR = 0.02;

function partOf(part: number, whole: number): string {
  const share = part / whole;
  const [, word] = PARTS.find(([size]) => Math.abs(size - share) <= NEAR) ?? [];
  return word ?? percent(Math.min(0.99, Math.max(0.01, share)), 0);
}

/** Sentences that compare the model with always giving the most frequent answer. */
export function guessingSentence(judged: Judged & { majorityAccuracy: number }): string {
  const { classNames, best, betterThanMajority, majorityAccuracy } = judged;
  const sizes = classSizes(best);
  const largest = sizes.reduce((a, b) => Math.max(a, b));
  const answer = shownName(classNames[sizes.indexOf(largest)]!);
  const chance = 1 / sizes.filter((size) => size > 0).length;
  const [own, guess] = [percent(best.balancedAccuracy), percent(chance)];
  if (!betterThanMajority) {
    const luck = percent(chance + chanceMargin(sizes));
    const reach =
      best.balancedAccuracy > chance
        ? `, and with this few validation images up to ${luck} can be chance`
        : '';
    return `No better than guessing: its balanced accuracy is ${own}, always answering ${answer} gets ${guess}${reach}. More images or more epochs may help.`;
  }
  const better = `Better than guessing: its balanced accuracy is ${own}, always answering ${answer} gets ${guess}.`;
  const [plain, majority] = [percent(best.accuracy), percent(majorityAccuracy)];
  if (best.accuracy >= majorityAccuracy || plain === majority) return better;
  return `${better} Its plain accuracy, ${plain}, is below the ${majority} of that answer: it is wrong about more images of ${answer} than it finds of the rest.`;
}
