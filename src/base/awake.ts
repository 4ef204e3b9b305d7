/** Keeps a Mac awake while it trains; its display may sleep. */
import { execFile, spawn } from 'node:child_process';

export interface Awake {
  /** A warning for the user if the Mac runs on battery. */
  note: string | undefined;
  end(): void;
}

/**
 * Runs `caffeinate` as long as this process lives (prevents idle and disk sleep, not display sleep) and asks `pmset`
 * for the power source. Does nothing on other systems, or where these programs are missing.
 */
export async function stayAwake(platform: string = process.platform): Promise<Awake> {
  if (platform !== 'darwin') return { note: undefined, end() {} };
  const child = spawn('caffeinate', ['-i', '-m', '-w', String(process.pid)], { stdio: 'ignore' });
  // Without caffeinate the Mac may sleep; the training continues when it wakes.
  child.on('error', () => {});
  child.unref();
  return { note: await batteryNote(), end: () => void child.kill() };
}

function batteryNote(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('pmset', ['-g', 'batt'], { timeout: 2000 }, (error, stdout) => {
      const left = /drawing from 'Battery Power'[\s\S]*?(\d+)%/.exec(stdout ?? '')?.[1];
      resolve(
        error || left === undefined
          ? undefined
          : `On battery, ${left}% left: connect the power adapter, or the training stops when the battery is empty (it can be resumed from the last checkpoint)`,
      );
    });
  });
}
