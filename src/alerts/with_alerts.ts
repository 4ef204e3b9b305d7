/** Alerts, heartbeat and sleep prevention around a training run. */

import { stayAwake } from '../base/awake.ts';
import { saveJson } from '../base/files.ts';
import type { Results } from '../training/results.ts';
import type { TrainEvent } from '../training/train_events.ts';
import { endAlert, failureAlert, incidentAlert } from './alert_messages.ts';
import { type AlertOptions, openAlerts } from './open_alerts.ts';

/**
 * Runs `work` while keeping the machine awake, sending alerts on incidents, end and failure, and pinging the heartbeat.
 * @param work gets the function that takes its events, and remarks to show to the user
 */
export async function withAlerts(
  run: string,
  options: AlertOptions,
  onEvent: (event: TrainEvent) => void,
  work: (emit: (event: TrainEvent) => void, remarks: string[]) => Promise<Results>,
): Promise<Results> {
  const { queue, heartbeat } = openAlerts(options);
  const awake = await stayAwake();
  const emit = (event: TrainEvent) => {
    onEvent(event);
    if (event.type === 'rollback' || event.type === 'notice') queue.send(incidentAlert(run, event));
  };
  let succeeded = false;
  try {
    const results = await work(emit, awake.note ? [awake.note] : []);
    queue.send(endAlert(run, results));
    succeeded = true;
    return results;
  } catch (error) {
    // The user aborted the run, so no alert is sent.
    succeeded = (error as Error).name === 'AbortError';
    if (!succeeded) queue.send(failureAlert(run, error));
    throw error;
  } finally {
    awake.end();
    const [messages] = await Promise.all([queue.close(), heartbeat?.end(succeeded)]);
    if (messages.length > 0) {
      onEvent({ type: 'undeliveredAlerts', messages });
      // A failure to write this must not change the result of the run.
      await saveJson(run, 'undelivered_alerts.json', messages).catch(() => {});
    }
  }
}
