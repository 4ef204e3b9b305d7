/** Trainings with a device or batches that go wrong at some steps. */
import { loadAddon, type NativeSession } from '../src/model/addon.ts';
import type { TrainOptions } from '../src/options.ts';
import { train } from '../src/train.ts';
import type { Results } from '../src/training/results.ts';
import type { TrainEvent } from '../src/training/train_events.ts';
import type { RollbackEvent } from '../src/training/training_events.ts';

/** Called before each step, from 1, repeats counted; may change the session, or the labels in place. */
export type Poison = (session: NativeSession, step: number, labels: Int32Array) => Promise<void>;

export async function trainWith(
  poison: Poison,
  options: Partial<TrainOptions>,
): Promise<{ results: Results; rollbacks: RollbackEvent[] }> {
  const addon = loadAddon();
  const create = addon.createSession;
  addon.createSession = async (given) => poisoned(await create.call(addon, given), poison);
  const rollbacks: RollbackEvent[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'rollback') rollbacks.push(event);
  };
  try {
    return { results: await train(options, { onEvent }), rollbacks };
  } finally {
    addon.createSession = create;
  }
}

function poisoned(session: NativeSession, poison: Poison): NativeSession {
  let calls = 0;
  const trainStep: NativeSession['trainStep'] = async (images, labels, rate) => {
    const own = labels.slice();
    await poison(session, ++calls, own);
    return session.trainStep(images, own, rate);
  };
  return new Proxy(session, {
    get(target, name: keyof NativeSession) {
      if (name === 'trainStep') return trainStep;
      const value = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
