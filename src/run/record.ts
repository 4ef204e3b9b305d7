/** What a run has to tell: its log, its best epoch, its results; kept in the run folder as it goes. */
import type { NativeSession } from '../model/addon.ts';
import type { Network } from '../model/network.ts';
import type { EpochEvent, StepEvent } from '../model/trainer.ts';
import { type EpochMetrics, saveCheckpoint, saveJson, saveLog } from './checkpoint.ts';
import { chanceMargin } from './metrics.ts';

/** `results.json`. */
export interface Results {
  status: 'done' | 'interrupted' | 'failed';
  device: string;
  classNames: string[];
  /** Epochs and steps done. */
  epochs: number;
  steps: number;
  /** Of the whole run, reading the images included. */
  seconds: number;
  /** Of training, without validation. */
  imagesPerSecond: number;
  /** Accuracy of always guessing the most frequent class, on the validation images. */
  majorityAccuracy: number;
  /** Balanced accuracy of the same guess: 1 / classes. */
  majorityBalancedAccuracy: number;
  /** Whether the best balanced accuracy is above that by more than luck: two standard errors. */
  betterThanMajority: boolean;
  /** The epoch of the highest balanced accuracy; null when none was validated. */
  best: EpochMetrics | null;
  /** The last epoch. */
  final: EpochMetrics | null;
}

export interface RunFacts {
  folder: string;
  network: Network;
  session: NativeSession;
  seed: number;
  device: string;
  majorityAccuracy: number;
  /** When the run began, by `performance.now()`. */
  begin: number;
}

export interface RunRecord {
  /** Takes note of an event; after an epoch, saves the log and the checkpoint. */
  add(event: StepEvent | EpochEvent): Promise<void>;
  /** Saves what is not saved yet, and `results.json`. */
  end(status: Results['status']): Promise<Results>;
}

/** Steps that are told and kept: the first, then every twentieth. */
export function isTold(step: number): boolean {
  return step === 1 || step % 20 === 0;
}

export function startRecord(facts: RunFacts): RunRecord {
  const { folder, network, session, seed } = facts;
  const lines: unknown[] = [];
  const position = { epoch: 0, step: 0, seed, best: null as EpochMetrics | null };
  const trained = { images: 0, seconds: 0 };
  let final: EpochMetrics | null = null;
  let savedStep = -1;

  const save = async (isBest: boolean) => {
    await saveLog(folder, lines);
    await saveCheckpoint(folder, network, session, position, isBest);
    savedStep = position.step;
  };

  return {
    async add(event) {
      position.step = event.step;
      if (event.type === 'step') {
        if (isTold(event.step)) lines.push(event);
        return;
      }
      lines.push(event);
      trained.images += event.images;
      trained.seconds += event.seconds;
      position.epoch = event.epoch;
      final = { epoch: event.epoch, ...event.validation };
      const isBest = final.balancedAccuracy > (position.best?.balancedAccuracy ?? -1);
      if (isBest) position.best = final;
      await save(isBest);
    },
    async end(status) {
      if (savedStep !== position.step) await save(false);
      const results: Results = {
        status,
        device: facts.device,
        classNames: network.classNames,
        epochs: position.epoch,
        steps: position.step,
        seconds: (performance.now() - facts.begin) / 1000,
        imagesPerSecond: trained.seconds > 0 ? trained.images / trained.seconds : 0,
        majorityAccuracy: facts.majorityAccuracy,
        majorityBalancedAccuracy: 1 / network.classNames.length,
        betterThanMajority: position.best !== null && beatsChance(position.best),
        best: position.best,
        final,
      };
      await saveJson(folder, 'results.json', results);
      return results;
    },
  };
}

function beatsChance({ balancedAccuracy, confusion }: EpochMetrics): boolean {
  const present = confusion.filter((row) => row.some((count) => count > 0)).length;
  return balancedAccuracy > 1 / present + chanceMargin(confusion);
}
