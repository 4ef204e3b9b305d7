/** `run.json`: all that says how a run came about. */
import { version } from '../base/version.ts';
import type { ChosenDevice } from '../model/device.ts';
import type { PretrainedWeights } from '../model/pretrained.ts';
import type { DataEvent } from '../training/plan.ts';
import type { ResolvedOptions } from './resolve_options.ts';
import type { Resumed } from './resume.ts';

/** What is not known yet is absent. */
export interface RunDescription {
  tool: Record<string, string>;
  commandLine: string[];
  /** Absent in a run of an older version. */
  workingDirectory?: string;
  startedAt: string;
  device: { name: string; description: string; reason: string };
  options: Record<string, unknown>;
  /** Processes that train together, and their MPI; absent: one process. */
  ranks?: { size: number; hosts: string[]; library: string };
  resumed?: { at: string; step: number; remarks: string[] }[];
  data?: Omit<DataEvent, 'type'>;
  /** Where a pretrained network's weights are from. */
  pretrained?: Omit<PretrainedWeights, 'path'>;
  /** What a person should know when they read its scores. */
  caveats?: string[];
}

/** As far as it is known before the images are read. */
export function describeRun(
  options: ResolvedOptions,
  device: ChosenDevice,
  resumed: Resumed | undefined,
  ranks?: RunDescription['ranks'],
): RunDescription {
  const now = { at: new Date().toISOString(), commandLine: process.argv.slice(1), device };
  if (resumed) {
    const { checkpoint, remarks, description } = resumed;
    const earlier = Array.isArray(description.resumed) ? description.resumed : [];
    const entry = { ...now, step: checkpoint?.position.step ?? 0, remarks };
    // As the first process wrote it.
    const { ranks: _, ...before } = description as unknown as RunDescription;
    return { ...before, options, ...(ranks ? { ranks } : {}), resumed: [...earlier, entry] };
  }
  const platform = `${process.platform}-${process.arch}`;
  return {
    tool: { 'birbs-metal': version(), node: process.version, platform },
    commandLine: now.commandLine,
    workingDirectory: process.cwd(),
    startedAt: now.at,
    device,
    options,
    ...(ranks ? { ranks } : {}),
  };
}
