/** What a run has to tell: its log, its checkpoints, its incidents, its results; kept in the run folder as it goes. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Network } from '../model/network.ts';
import type { EpochEvent, RollbackEvent, SnapshotEvent, StepEvent, Stop } from '../model/trainer.ts';
import { type AdviceFacts, adviceOn } from './advice.ts';
import { saveCheckpoint, saveWeights } from './checkpoint.ts';
import { readLog, saveJson, saveLog } from './folder.ts';
import { chanceMargin } from './metrics.ts';
import type { EpochMetrics, Position, Snapshot } from './position.ts';
import type { Stopwatch, TimeSplit } from './timing.ts';
import type { NoticeEvent } from './watch.ts';

/** `results.json`. */
export interface Results {
  status: 'done' | 'interrupted' | 'failed';
  /** Why it was done before its last epoch: the time was up, or there was nothing to hope for. */
  stopped: Stop | null;
  device: string;
  classNames: string[];
  /** Epochs and steps done; of a run that failed, those of its checkpoint. */
  epochs: number;
  steps: number;
  /** Of the whole run, reading the images included. */
  seconds: number;
  /** What the seconds went to, and what would make it faster. */
  time: TimeSplit;
  advice: string;
  /** Of training, without validation. */
  imagesPerSecond: number;
  /** Accuracy of always guessing the most frequent class, on the validation images. */
  majorityAccuracy: number;
  /** Balanced accuracy of the same guess: 1 / classes. */
  majorityBalancedAccuracy: number;
  /** Whether the best balanced accuracy is above that by more than luck: two standard errors. */
  betterThanMajority: boolean;
  /** The best epoch by the chosen metric; null when none was validated. */
  best: EpochMetrics | null;
  /** The last validation. */
  final: EpochMetrics | null;
  /** What went wrong and was put right, or was noticed. */
  incidents: number;
}

export interface RunFacts extends AdviceFacts {
  folder: string;
  network: Network;
  dataHash: string;
  /** What holds the images, where something does. */
  lock?: { root: string } | undefined;
  majorityAccuracy: number;
  clock: Stopwatch;
}

/** What the record takes. */
export type RecordEvent = StepEvent | EpochEvent | RollbackEvent | NoticeEvent | SnapshotEvent;

export interface RunRecord {
  /** The epochs of before, of a run that is gone on with. */
  readonly history: EpochEvent[];
  /** Takes note of an event; saves the log and a checkpoint with each snapshot, while training goes on. */
  add(event: RecordEvent): Promise<void>;
  /** Saves what is not saved yet, and `results.json`. */
  end(status: Results['status'], stopped?: Stop): Promise<Results>;
}

/** Steps that are told and kept: the first, then every twentieth. */
export function isTold(step: number): boolean {
  return step === 1 || step % 20 === 0;
}

/** Begins the record of a run, or goes on with it; the state that it begins with is its first checkpoint. */
export async function startRecord(facts: RunFacts, start: Snapshot): Promise<RunRecord> {
  const { folder, network, dataHash, clock, lock } = facts;
  const origin = { dataHash, ...(lock ? { lock: lock.root } : {}) };
  let lines = (await readLog(folder, start.position.step)) as { type: string; step: number }[];
  let position: Position = start.position;
  let final = lastValidation(lines);
  let incidents = lines.filter(({ type }) => type === 'rollback' || type === 'notice').length;
  let bestIsNew = false;
  let saving = Promise.resolve();

  const write = async (snapshot: Snapshot, isBest: boolean, log: string[]) => {
    await saveLog(folder, log);
    const { best } = snapshot.position;
    if (isBest)
      await saveWeights(join(folder, 'best.safetensors'), network, snapshot, {
        ...origin,
        metrics: JSON.stringify(best),
      });
    await saveCheckpoint(folder, { ...snapshot, network, dataHash });
    await saveWeights(join(folder, 'last.safetensors'), network, snapshot, origin);
  };
  const save = async (snapshot: Snapshot) => {
    const isBest = bestIsNew;
    bestIsNew = false;
    // Not more than one is on its way; a trouble of the one before is told here.
    await clock.during('saving', saving);
    position = snapshot.position;
    saving = write(
      snapshot,
      isBest,
      lines.map((line) => JSON.stringify(line)),
    );
    saving.catch(() => {});
  };
  await save(start);
  await saving;

  return {
    history: lines.filter(({ type }) => type === 'epoch') as unknown as EpochEvent[],
    async add(event) {
      switch (event.type) {
        case 'snapshot':
          return save(event.snapshot);
        case 'step':
          if (isTold(event.step)) lines.push(event);
          return;
        case 'epoch':
          final = { epoch: event.epoch, ...event.validation };
          bestIsNew ||= event.isBest;
          lines.push(event);
          return;
        case 'rollback':
        case 'notice':
          // The steps since are taken again.
          if (event.type === 'rollback')
            lines = lines.filter(({ type, step }) => type === 'rollback' || step <= event.backToStep);
          lines.push(event);
          incidents += 1;
          return clock.during('saving', saveIncident(folder, incidents, event));
      }
    },
    async end(status, stopped) {
      await saving;
      const time = clock.split;
      const { images, best } = position;
      const training = time.data + time.device + time.host;
      const results: Results = {
        ...{ status, stopped: stopped ?? null, device: facts.device, classNames: network.classNames },
        ...{ epochs: position.epoch, steps: position.step, seconds: clock.total, time },
        advice: adviceOn(time, facts),
        imagesPerSecond: training > 0 ? images / training : 0,
        majorityAccuracy: facts.majorityAccuracy,
        majorityBalancedAccuracy: 1 / network.classNames.length,
        betterThanMajority: best !== null && beatsChance(best),
        ...{ best, final, incidents },
      };
      await saveJson(folder, 'results.json', results);
      return results;
    },
  };
}

function lastValidation(lines: { type: string }[]): EpochMetrics | null {
  const last = lines.filter(({ type }) => type === 'epoch').at(-1) as EpochEvent | undefined;
  return last ? { epoch: last.epoch, ...last.validation } : null;
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

function beatsChance({ balancedAccuracy, confusion }: EpochMetrics): boolean {
  const present = confusion.filter((row) => row.some((count) => count > 0)).length;
  return balancedAccuracy > 1 / present + chanceMargin(confusion);
}
