/** From what a run keeps to what a report shows. */
import { basename } from 'node:path';
import { digits } from '../base/words.ts';
import { healthLines } from '../data/inventory.ts';
import type { ImageLosses } from '../metrics/image_losses.ts';
import type { RunDescription } from '../run/run_description.ts';
import type { Chosen, PairPictures } from '../training/findings.ts';
import type { NoticeEvent } from '../training/notices.ts';
import type { Results } from '../training/results.ts';
import { type Activity, activities } from '../training/stopwatch.ts';
import type { LogLine } from '../training/train_events.ts';
import type { EpochEvent, RollbackEvent, StepEvent } from '../training/training_events.ts';
import type { ConfusedPictures, Incident, Picture, RunStory, Suspect } from './story.ts';

export interface StoryFacts {
  folder: string;
  description: RunDescription;
  lines: LogLine[];
  /** Those of the moment; `status` says for how long. */
  results: Omit<Results, 'status'> & { status: RunStory['status'] };
  reason?: string | undefined;
  weights: number;
  rateSweep?: RunStory['rateSweep'];
  /** Of an image of the data set. */
  nameOf: (position: number) => string;
  labelOf: (position: number) => string;
  thumbnailOf: (position: number) => string | undefined;
  /** Of an image with what spoke for the answer. */
  heatOf?: (position: number) => string | undefined;
}

export function buildStory(facts: StoryFacts): RunStory {
  const { folder, description, lines, results, weights } = facts;
  const { tool, commandLine, startedAt, device, options, resumed = [], data } = description;
  const { pretrained, caveats } = description;
  const of = <T extends LogLine['type']>(type: T) =>
    lines.filter((line): line is Extract<LogLine, { type: T }> => line.type === type);
  const findings = of('findings').findLast(({ epoch }) => epoch === results.best?.epoch);
  const suspects = of('findings').at(-1)?.suspects ?? [];
  const { classNames } = results;
  return {
    name: basename(folder),
    status: results.status,
    reason: facts.reason,
    startedAt,
    writtenAt: new Date().toISOString(),
    seconds: results.seconds,
    steps: results.steps,
    imagesPerSecond: results.imagesPerSecond,
    epochs: { done: results.epochs, planned: plannedEpochs(of('epoch').at(-1), options) },
    device,
    classNames,
    commandLine: typed(commandLine),
    resumed,
    options,
    environment: tool,
    pretrained,
    caveats,
    network: { name: String(options.network), imageSize: Number(options.imageSize), weights },
    majority: data && { className: data.majorityClass, accuracy: data.majorityAccuracy },
    betterThanMajority: results.betterThanMajority,
    best: results.best,
    calibration: results.calibration ?? undefined,
    levels: results.levels ?? undefined,
    pairs: findings?.pairs?.map((pair) => confusedPair(pair, facts, classNames)),
    ranking: findings?.ranking,
    curve: { steps: of('step').map(stepPoint), epochs: of('epoch') },
    rateSweep: facts.rateSweep,
    mistakes: (findings?.mistakes ?? []).map((chosen) => ({
      ...picture(chosen, facts, classNames),
      ...why(chosen, facts, classNames),
    })),
    unsure: (findings?.unsure ?? []).map((chosen) => picture(chosen, facts, classNames)),
    suspects: suspects.map((losses) => suspect(losses, facts)),
    incidents: lines.flatMap((line) =>
      line.type === 'rollback' ? [rollback(line)] : line.type === 'notice' ? [notice(line)] : [],
    ),
    time: {
      parts: activities.map((name) => ({ name: ACTIVITIES[name], seconds: results.time[name] })),
      advice: results.advice,
    },
    data: data && { ...data, health: healthLines(data), lock: data.lock?.root },
    predict: `${commandOf(commandLine, 'predict')} --model ${folder}`,
    resume: `${commandOf(commandLine, 'train')} --resume ${folder}`,
  };
}

const ACTIVITIES: Record<Activity, string> = {
  reading: 'reading and decoding images',
  data: 'waiting for data',
  device: 'device busy',
  validation: 'validation',
  saving: 'saving',
  paused: 'paused',
  host: 'everything else',
};

function plannedEpochs(
  last: EpochEvent | undefined,
  { epochs, timed }: Record<string, unknown>,
): number | null {
  if (last) return last.epochs;
  return timed === true || typeof epochs !== 'number' ? null : epochs;
}

/** As this person starts it. */
function commandOf([script = '']: string[], name: string): string {
  return /\btrain\.ts$/.test(script) ? `npx tsx src/${name}.ts` : `npx birbs-metal ${name}`;
}

/** What a person would type again, where the script is ours. */
function typed(line: string[]): string[] {
  const [script = '', ...words] = line;
  if (/\btrain\.ts$/.test(script)) return ['npx', 'tsx', 'src/train.ts', ...words];
  return /\b(birbs-metal|cli\.js)$/.test(script) ? ['npx', 'birbs-metal', ...words] : line;
}

function stepPoint({ epoch, progress, loss, learningRate, gradientNorm }: StepEvent) {
  return { at: epoch - 1 + progress, loss, learningRate, gradientNorm };
}

function picture(
  { position, truth, guess, certainty }: Chosen,
  facts: StoryFacts,
  classNames: string[],
): Picture {
  return {
    name: facts.nameOf(position),
    thumbnail: facts.thumbnailOf(position),
    certainty,
    truth: classNames[truth]!,
    guess: classNames[guess]!,
  };
}

function confusedPair(
  { truth, guess, images, mistaken, example }: PairPictures,
  { nameOf, thumbnailOf }: StoryFacts,
  classNames: string[],
): ConfusedPictures {
  const shown = (position: number) => ({ name: nameOf(position), thumbnail: thumbnailOf(position) });
  return {
    truth: classNames[truth]!,
    guess: classNames[guess]!,
    images,
    mistaken: mistaken.map(shown),
    example: example === null ? undefined : shown(example),
  };
}

function why(
  { position, heat, other, nearest = [] }: Chosen,
  { nameOf, labelOf, thumbnailOf, heatOf }: StoryFacts,
  classNames: string[],
): Pick<Picture, 'why'> {
  if (!heat && nearest.length === 0) return {};
  const shown = nearest.map(({ position: one, similarity }) => {
    const thumbnail = thumbnailOf(one);
    return { name: nameOf(one), label: labelOf(one), similarity, ...(thumbnail ? { thumbnail } : {}) };
  });
  const picture = heat && heatOf?.(position);
  const versus = other === undefined ? {} : { other: classNames[other]! };
  return { why: { nearest: shown, ...versus, ...(picture ? { heat: picture } : {}) } };
}

function suspect({ position, ...losses }: ImageLosses, facts: StoryFacts): Suspect {
  const name = facts.nameOf(position);
  return { ...losses, name, label: facts.labelOf(position), thumbnail: facts.thumbnailOf(position) };
}

function rollback(event: RollbackEvent): Incident {
  const { kind, epoch, step, message, backToStep, batches, newLearningRate, rollbacks, allowed, images } =
    event;
  return {
    epoch,
    step,
    severity: 'critical',
    seen: sentence(message),
    images,
    done:
      kind === 'device-fault'
        ? `Rolled back to step ${backToStep} and repeated the steps since; rollback ${rollbacks} of at most ${allowed}.`
        : `Rolled back to step ${backToStep}, skipped ${batches.length === 1 ? 'the batch' : `${batches.length} batches`}, lowered the learning rate to ${digits(newLearningRate)}; rollback ${rollbacks} of at most ${allowed}.`,
  };
}

function notice({ epoch, step, message }: NoticeEvent): Incident {
  return { epoch, step, severity: 'warning', seen: sentence(message) };
}

function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
