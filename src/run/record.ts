/** What a run has to tell: its log, its best epoch, its results; kept in the run folder as it goes. */
import { loadAddon, type NativeSession, type OptimizerOptions } from '../model/addon.ts';
import type { Network } from '../model/network.ts';
import type { EpochEvent, StepEvent } from '../model/trainer.ts';
import {
  type EpochMetrics,
  readState,
  saveJson,
  saveLog,
  saveState,
  type TrainingState,
} from './checkpoint.ts';
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
  optimizer: OptimizerOptions;
  device: string;
  majorityAccuracy: number;
  /** When the run began, by `performance.now()`. */
  begin: number;
}

export interface RunRecord {
  /** Takes note of an event; after an epoch, and now and then between, saves the log and the checkpoint. */
  add(event: StepEvent | EpochEvent): Promise<void>;
  /** Saves what is not saved yet, and `results.json`. */
  end(status: Results['status']): Promise<Results>;
  /** After an error: saves what can still be saved, and `results.json` with the step of the newest checkpoint. */
  fail(): Promise<Failure>;
}

export interface Failure {
  results: Results;
  /** The session's error, where it holds nothing any more; the checkpoint is then of before. */
  lost: Error | undefined;
  /** Of the last step that was answered. */
  step: number;
}

/**
 * A session whose device is gone can't be read, so the run is saved between epochs too, while training goes on:
 * milliseconds from one save to the next, or this many times what a save takes if that is longer.
 */
const SAVE = { interval: 10_000, timesItsCost: 50 };

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

  let nextSave = facts.begin;
  let saving: Promise<void> | undefined;
  let troubled: unknown;

  const write = async (state: TrainingState, isBest: boolean) => {
    await saveLog(folder, lines);
    await saveState(folder, network, state, isBest);
    savedStep = state.position.step;
  };
  const save = async (isBest: boolean) => {
    await saving;
    await write(await readState(session, position), isBest);
  };
  // Not waited for: the device goes on, and the next event tells of an error.
  const saveBehind = async () => {
    const begin = performance.now();
    try {
      const state = await readState(session, position);
      if (isSound(state)) await write(state, false);
    } catch (error) {
      troubled ??= error;
    }
    const end = performance.now();
    nextSave = end + Math.max(SAVE.interval, SAVE.timesItsCost * (end - begin));
    saving = undefined;
  };
  const finish = async (status: Results['status'], steps: number) => {
    const results: Results = {
      status,
      device: facts.device,
      classNames: network.classNames,
      epochs: position.epoch,
      steps,
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
  };

  return {
    async add(event) {
      if (troubled) throw troubled;
      position.step = event.step;
      if (event.type === 'step') {
        if (isTold(event.step)) lines.push(event);
        if (!saving && performance.now() >= nextSave) saving = saveBehind();
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
      await saving;
      if (savedStep !== position.step) await save(false);
      return finish(status, position.step);
    },
    async fail() {
      await saving;
      const state = await readState(session, position).catch((error: Error) => error);
      const lost = state instanceof Error ? state : undefined;
      if (!(state instanceof Error) && isSound(state)) await write(state, false);
      else if (savedStep < 0) await write(await initialState(facts), false);
      return { results: await finish('failed', savedStep), lost, step: position.step };
    },
  };
}

/** What a run begins with, from the seed alone: the same on every device. */
async function initialState({ network, seed, optimizer }: RunFacts): Promise<TrainingState> {
  const options = { device: 'portable', network, seed, batchSize: 1, threads: 1, optimizer } as const;
  const session = await loadAddon().createSession(options);
  try {
    return await readState(session, { epoch: 0, step: 0, seed, best: null });
  } finally {
    await session.dispose();
  }
}

/** Whether training could go on from it: a device that fails may have left anything in its memory. */
function isSound({ values, optimizer }: TrainingState): boolean {
  // Zero times a number is zero; times NaN or Infinity it is NaN.
  let zero = 0;
  for (const numbers of [values, optimizer.values])
    for (let i = 0; i < numbers.length; i++) zero += numbers[i]! * 0;
  return zero === 0;
}

function beatsChance({ balancedAccuracy, confusion }: EpochMetrics): boolean {
  const present = confusion.filter((row) => row.some((count) => count > 0)).length;
  return balancedAccuracy > 1 / present + chanceMargin(confusion);
}
