/** Stands by while a training runs and nobody watches it. */

import { stayAwake } from '../base/awake.ts';
import { saveJson } from '../base/files.ts';
import type { Results } from '../training/results.ts';
import type { TrainEvent } from '../training/train_events.ts';
import { endPage, failurePage, incidentPage } from './alert_messages.ts';
import { type AlertOptions, openPaging } from './open_alerts.ts';

/**
 * Runs `work` with the machine kept awake, pages sent on incidents, end and failure, and the heartbeat going.
 * @param work takes what it tells its events, and remarks for the person who began it
 */
export async function attend(
  run: string,
  options: AlertOptions,
  onEvent: (event: TrainEvent) => void,
  work: (tell: (event: TrainEvent) => void, remarks: string[]) => Promise<Results>,
): Promise<Results> {
  const { pager, heartbeat } = openPaging(options);
  const awake = await stayAwake();
  const tell = (event: TrainEvent) => {
    onEvent(event);
    if (event.type === 'rollback' || event.type === 'notice') pager.page(incidentPage(run, event));
  };
  let well = false;
  try {
    const results = await work(tell, awake.note ? [awake.note] : []);
    pager.page(endPage(run, results));
    well = true;
    return results;
  } catch (error) {
    // Who stopped it knows.
    well = (error as Error).name === 'AbortError';
    if (!well) pager.page(failurePage(run, error));
    throw error;
  } finally {
    awake.end();
    const [messages] = await Promise.all([pager.close(), heartbeat?.end(well)]);
    if (messages.length > 0) {
      onEvent({ type: 'untold', messages });
      // The run is what it is, whether this can be written or not.
      await saveJson(run, 'untold.json', messages).catch(() => {});
    }
  }
}
