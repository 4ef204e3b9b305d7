/** The texts of the alerts of a training run. */

import { percent } from '../base/words.ts';
import type { NoticeEvent } from '../training/notices.ts';
import type { Results } from '../training/results.ts';
import type { RollbackEvent } from '../training/training_events.ts';
import { verdictOf } from '../training/verdict.ts';
import type { Alert } from './alert.ts';

type NewAlert = Omit<Alert, 'at'>;

export function incidentAlert(run: string, event: RollbackEvent | NoticeEvent): NewAlert {
  const { kind, message, step, epoch } = event;
  const done =
    event.type === 'rollback'
      ? event.kind === 'device-fault'
        ? ` Rolled back to step ${event.backToStep} and repeated the steps since (rollback ${event.rollbacks} of at most ${event.allowed}).`
        : ` Rolled back to step ${event.backToStep}, skipped ${event.images.length} images and continued at half the learning rate (rollback ${event.rollbacks} of at most ${event.allowed}).`
      : '';
  return {
    severity: 'warning',
    kind,
    run,
    title: `birbs-metal: ${kind} in ${run}`,
    text: `Step ${step}, epoch ${epoch}: ${message}.${done}`,
  };
}

export function endAlert(run: string, results: Results): NewAlert {
  const { status, stopped, best, steps, epochs } = results;
  const score = best
    ? `best balanced accuracy ${percent(best.balancedAccuracy)} (epoch ${best.epoch}). It ${verdictOf({ ...results, best })}`
    : 'nothing was validated';
  const how = stopped === null ? status : `${status} (${stopped})`;
  return {
    severity: 'info',
    kind: `end-${status}`,
    run,
    title: `birbs-metal: ${run} is ${status}`,
    text: `${how} after ${epochs} epochs and ${steps} steps: ${score}.`,
  };
}

export function failureAlert(run: string, error: unknown): NewAlert {
  const text = error instanceof Error ? error.message : String(error);
  return { severity: 'critical', kind: 'failure', run, title: `birbs-metal: ${run} failed`, text };
}
