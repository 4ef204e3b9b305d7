/** A call for help, or the news that there is nothing to help with. */

export const severities = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof severities)[number];

export interface Page {
  severity: Severity;
  /** What it is about; the same kind is not told again and again. */
  kind: string;
  /** One line. */
  title: string;
  text: string;
  /** The folder of the run. */
  run: string;
  /** ISO 8601, UTC. */
  at: string;
}
