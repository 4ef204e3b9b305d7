/** A message about a run for a person who is not watching it. */

export const severities = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof severities)[number];

export interface Alert {
  severity: Severity;
  /** What it is about. Alerts of one kind are sent at most once per `repeatMs`. */
  kind: string;
  /** One line. */
  title: string;
  text: string;
  /** The folder of the run. */
  run: string;
  /** ISO 8601, UTC. */
  at: string;
}
