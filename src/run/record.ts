/** The record of a run in its folder: log, checkpoints, incidents, results. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { saveFile, saveJson } from '../base/files.ts';
import { createEventFile, type EventFile } from '../export/tensorboard.ts';
import type { Hierarchy } from '../metrics/hierarchy.ts';
import { confidenceIntervals } from '../metrics/intervals.ts';
import { chanceMargin, classSizes } from '../metrics/metrics.ts';
import type { Network } from '../model/network.ts';
import { type AdviceFacts, adviceOn } from '../training/advice.ts';
import { examine, type Findings } from '../training/findings.ts';
import type { NoticeEvent } from '../training/notices.ts';
import type { Results } from '../training/results.ts';
import type { Stopwatch } from '../training/stopwatch.ts';
import type { LogLine, PastEvent } from '../training/train_events.ts';
import type {
  EpochEvent,
  EvaluatedEvent,
  RollbackEvent,
  SnapshotEvent,
  StepEvent,
  Stop,
} from '../training/training_events.ts';
import type { EpochMetrics, Position, Snapshot } from '../training/training_state.ts';
import { type RunState, saveCheckpoint, saveWeights } from './checkpoint.ts';
import { pastOf } from './resumed_history.ts';
import { parseLog, readLog, saveLog } from './run_folder.ts';
import { encodeMetricsCsv, epochScalars, stepScalars } from './scalars.ts';

/** The report of a run, as the record uses it. */
export interface RunReport {
  /** Whether the report on disk is out of date. */
  isDue(): boolean;
  /** Rewrites the report. Must not run while batches are being read, since it reads pixels. */
  write(
    lines: LogLine[],
    results: Omit<Results, 'status'> & { status: Results['status'] | 'running' },
    reason?: string,
  ): Promise<void>;
}

export interface RunFacts extends AdviceFacts {
  folder: string;
  /** Written from time to time, and at the end. */
  report?: RunReport;
  network: Network;
  /** Groups of the classes. */
  hierarchy?: Hierarchy | undefined;
  dataHash: string;
  /** The lock file that pins the images, if any. */
  lock?: { root: string } | undefined;
  /** Whether the weights that it starts with are not worth a checkpoint: a resume finds them again. */
  startsBare?: boolean;
  /** `run.json`. */
  description: object;
  /** From the checkpoint of a resumed run; if absent, the log on disk is used. */
  before?: Pick<RunState, 'log' | 'isBest'> | undefined;
  majorityAccuracy: number;
  clock: Stopwatch;
  /** Adds to the findings of the best epoch why its worst mistakes were made. */
  explain?: (found: Findings, event: EvaluatedEvent) => Promise<Findings>;
}

/** The events that the record takes. */
export type RecordEvent =
  | StepEvent
  | EpochEvent
  | EvaluatedEvent
  | RollbackEvent
  | NoticeEvent
  | SnapshotEvent;

export interface RunRecord {
  /** The epochs before the resume, if the run was resumed. */
  readonly history: EpochEvent[];
  /** The epochs and steps before the resume, for plotting. */
  readonly past: PastEvent;
  /** Records an event; on a snapshot, saves the log and a checkpoint in the background. */
  add(event: RecordEvent): Promise<void>;
  /**
   * Saves pending data, `results.json` and the report.
   * @param reason why the run failed, as a sentence for the report
   */
  end(status: Results['status'], stopped?: Stop, reason?: string): Promise<Results>;
}

/** Whether a step is logged: the first and every 20th. */
export function isTold(step: number): boolean {
  return step === 1 || step % 20 === 0;
}

/** Starts the record of a new or resumed run; saves `start` as its first checkpoint unless `startsBare`. */
export async function startRecord(facts: RunFacts, start: Snapshot): Promise<RunRecord> {
  const { folder, network, hierarchy, dataHash, clock, lock, report, description, before } = facts;
  const origin = {
    dataHash,
    ...(lock ? { lock: lock.root } : {}),
    ...(hierarchy ? { hierarchy: JSON.stringify(hierarchy) } : {}),
  };
  let lines = before?.log ? parseLog(before.log) : await readLog(folder, start.position.step);
  // Images and network are known again before the first step, and may be described at length.
  const { data: _, network: __, ...lasting } = description as Record<string, unknown>;
  let position: Position = start.position;
  let final = lastValidation(lines);
  let incidents = lines.filter(({ type }) => type === 'rollback' || type === 'notice').length;
  let bestIsNew = before?.isBest ?? false;
  let saving = Promise.resolve();
  let validated = false;
  const findings = (epoch?: number) => findingsOf(lines, epoch);
  let charts = openCharts(folder, start.position.step);

  const write = async (snapshot: Snapshot, isBest: boolean, texts: Texts) => {
    await saveLog(folder, texts.log);
    if (texts.csv) await saveFile(join(folder, 'metrics.csv'), texts.csv);
    if (isBest) {
      const notes = { ...origin, ...texts.best, metrics: JSON.stringify(snapshot.position.best) };
      await saveWeights(join(folder, 'best.safetensors'), network, snapshot, notes);
    }
    const run = { description: lasting, log: boundedLog(texts.log), isBest, origin };
    await saveCheckpoint(folder, { ...snapshot, network, dataHash, run });
    const { best } = snapshot.position;
    await saveWeights(join(folder, 'last.safetensors'), network, snapshot, {
      ...origin,
      ...texts.last,
      // Lets a reader notice that the best weights are missing.
      ...(best ? { bestEpoch: String(best.epoch) } : {}),
    });
  };
  const save = async (snapshot: Snapshot) => {
    const isBest = bestIsNew;
    bestIsNew = false;
    // At most one save is in progress; an error of the previous one is thrown here.
    await clock.during('saving', saving);
    position = snapshot.position;
    saving = write(snapshot, isBest, textsOf(lines, position.best?.epoch));
    saving.catch(() => {});
  };
  const resultsNow = (status: Results['status'], stopped?: Stop): Results => {
    const time = clock.split;
    const { images, best } = position;
    const training = time.data + time.device + time.host;
    return {
      status,
      stopped: stopped ?? null,
      device: facts.device,
      classNames: network.classNames,
      epochs: position.epoch,
      steps: position.step,
      seconds: clock.total,
      time,
      advice: adviceOn(time, facts),
      imagesPerSecond: training > 0 ? images / training : 0,
      majorityAccuracy: facts.majorityAccuracy,
      majorityBalancedAccuracy: 1 / network.classNames.length,
      betterThanMajority: best !== null && beatsChance(best),
      best,
      final,
      incidents,
      intervals: { best: best && confidenceIntervals(best), final: final && confidenceIntervals(final) },
      calibration: findings(best?.epoch)?.calibration ?? null,
      levels: findings(best?.epoch)?.levels ?? null,
    };
  };
  // A report that can't be written is no reason to end a training, nor to call it failed.
  const tellSoFar = async () =>
    report?.write(lines, { ...resultsNow('done'), status: 'running' }).catch(() => {});
  if (!facts.startsBare) await save(start);
  await saving;
  await tellSoFar();

  return {
    history: lines.filter((line) => line.type === 'epoch'),
    past: pastOf(lines, start.position.best),
    async add(event) {
      const betweenEpochs = validated;
      validated = event.type === 'evaluated';
      switch (event.type) {
        case 'snapshot':
          await save(event.snapshot);
          // Between epochs only: within one, the images are in use.
          if (betweenEpochs && report?.isDue()) await clock.during('saving', tellSoFar());
          return;
        case 'step':
          if (!isTold(event.step)) return;
          lines.push(event);
          return charts.add({ step: event.step, wallTime: Date.now() / 1000, scalars: stepScalars(event) });
        case 'epoch':
          final = { epoch: event.epoch, ...event.validation };
          bestIsNew ||= event.isBest;
          // An epoch that ended early is validated again after a resume.
          lines = lines.filter((line) => line.type !== 'epoch' || line.epoch !== event.epoch);
          lines = [...lines.map(withoutMatrix), event];
          return charts.add({ step: event.step, wallTime: Date.now() / 1000, scalars: epochScalars(event) });
        case 'evaluated': {
          const examined = await clock.during(
            'validation',
            examine(event, network.classNames.length, hierarchy),
          );
          // Without an explanation a run is as good.
          const explained = examined.isBest && facts.explain?.(examined, event).catch(() => examined);
          const found = explained ? await clock.during('validation', explained) : examined;
          // Those of the best epoch are kept, and those of the last.
          lines = lines.filter((line) => line.type !== 'findings' || (line.isBest && !found.isBest));
          lines.push(found);
          return;
        }
        case 'rollback':
        case 'notice':
          // The steps since are taken again.
          if (event.type === 'rollback') {
            lines = lines.filter(({ type, step }) => type === 'rollback' || step <= event.backToStep);
            charts = openCharts(folder, event.backToStep);
          }
          lines.push(event);
          incidents += 1;
          return clock.during('saving', saveIncident(folder, incidents, event));
      }
    },
    async end(status, stopped, reason = stopped && STOPS[stopped]) {
      await saving;
      const results = resultsNow(status, stopped);
      await saveJson(folder, 'results.json', results);
      await report?.write(lines, results, reason).catch(() => {});
      return results;
    },
  };
}

const STOPS: Record<Stop, string> = {
  time: 'Its time was up.',
  patience: 'Its validation had not become better for as long as --patience allows.',
};

/** Characters of a log that is kept in each checkpoint as well. */
const LONGEST_LOG = 4e6;

function boundedLog(log: string[]): string[] | undefined {
  return log.reduce((sum, line) => sum + line.length, 0) > LONGEST_LOG ? undefined : log;
}

/** With more classes than this, only the last epoch keeps what is of each class: the log would outgrow the weights. */
const MOST_LOGGED_CLASSES = 50;

function withoutMatrix(line: LogLine): LogLine {
  if (line.type !== 'epoch' || line.validation.perClass.length <= MOST_LOGGED_CLASSES) return line;
  return { ...line, validation: { ...line.validation, confusion: [], confused: [], perClass: [] } };
}

function lastValidation(lines: LogLine[]): EpochMetrics | null {
  const last = lines.findLast((line) => line.type === 'epoch');
  return last ? { epoch: last.epoch, ...last.validation } : null;
}

/** Of an epoch; without one, the last. */
function findingsOf(lines: LogLine[], epoch?: number): Findings | undefined {
  return lines.findLast(
    (line) => line.type === 'findings' && (epoch === undefined || line.epoch === epoch),
  ) as Findings | undefined;
}

/** What a checkpoint writes besides the numbers. */
interface Texts {
  log: string[];
  csv: string;
  /** Notes of the weights. */
  best: Record<string, string>;
  last: Record<string, string>;
}

/** What weights say of the calibration of an epoch; without one, of the last. */
export function calibrationNote(lines: LogLine[], epoch?: number): Record<string, string> {
  const found = findingsOf(lines, epoch);
  return found ? { calibration: JSON.stringify(found.calibration) } : {};
}

function textsOf(lines: LogLine[], best: number | undefined): Texts {
  const epochs = lines.filter((line) => line.type === 'epoch');
  return {
    log: lines.map((line) => JSON.stringify(line)),
    csv: epochs.length > 0 ? encodeMetricsCsv(epochs) : '',
    best: best === undefined ? {} : calibrationNote(lines, best),
    last: calibrationNote(lines),
  };
}

/** Begun with its first number. Charts that a full disk does not take are missed, but end no training. */
function openCharts(folder: string, step: number): EventFile {
  let file: Promise<EventFile> | undefined;
  return {
    async add(at) {
      file ??= createEventFile(folder, at.wallTime, step);
      await file.then((open) => open.add(at)).catch(() => {});
    },
  };
}

/** `incidents/0001-loss-jump.json`: one file for each, with all that is known. */
async function saveIncident(
  folder: string,
  number: number,
  event: RollbackEvent | NoticeEvent,
): Promise<void> {
  await mkdir(join(folder, 'incidents'), { recursive: true });
  const name = `${String(number).padStart(4, '0')}-${event.kind}.json`;
  await saveJson(join(folder, 'incidents'), name, { at: new Date().toISOString(), ...event });
}

function beatsChance(metrics: EpochMetrics): boolean {
  const sizes = classSizes(metrics);
  const present = sizes.filter((size) => size > 0).length;
  return metrics.balancedAccuracy > 1 / present + chanceMargin(sizes);
}
