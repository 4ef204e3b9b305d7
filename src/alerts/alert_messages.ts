/** The words of the pages that a training sends. */

import { percent } from '../base/words.ts';
import type { NoticeEvent } from '../training/notices.ts';
import type { Results } from '../training/results.ts';
import type { RollbackEvent } from '../training/training_events.ts';
import { verdictOf } from '../training/verdict.ts';
import type { Page } from './alert.ts';

type Words = Omit<Page, 'at'>;

export function incidentPage(run: string, event: RollbackEvent | NoticeEvent): Words {
  const { kind, message, step, epoch } = event;
  const done =
    event.type === 'rollback'
      ? ` It went back to step ${event.backToStep}, left out ${event.images.length} images and goes on at half the learning rate (${event.rollbacks} of ${event.allowed} times).`
      : '';
  return {
    ...{ severity: 'warning', kind, run, title: `birbs-metal: ${kind} in ${run}` },
    text: `Step ${step}, epoch ${epoch}: ${message}.${done}`,
  };
}

export function endPage(run: string, results: Results): Words {
  const { status, stopped, best, steps, epochs } = results;
  const score = best
    ? `best balanced accuracy ${percent(best.balancedAccuracy)} (epoch ${best.epoch}). It ${verdictOf({ ...results, best })}`
    : 'nothing was validated';
  const how = stopped === null ? status : `${status} (${stopped})`;
  return {
    ...{ severity: 'info', kind: `end-${status}`, run, title: `birbs-metal: ${run} is ${status}` },
    text: `${how} after ${epochs} epochs and ${steps} steps: ${score}.`,
  };
}

export function failurePage(run: string, error: unknown): Words {
  const text = error instanceof Error ? error.message : String(error);
  return { severity: 'critical', kind: 'failure', run, title: `birbs-metal: ${run} failed`, text };
}
