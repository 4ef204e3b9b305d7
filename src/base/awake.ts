/** Keeps a Mac awake while it trains; its display may sleep. */
import { execFile, spawn } from 'node:child_process';

export interface Awake {
  /** What a person should know: that it runs on battery. */
  note: string | undefined;
  end(): void;
}

/**
 * Starts `caffeinate` for as long as this process lives (idle and disk sleep, not the display's) and asks `pmset` for
 * the power. On other systems, and where these are missing, nothing happens.
 */
export async function stayAwake(platform: string = process.platform): Promise<Awake> {
  if (platform !== 'darwin') return { note: undefined, end() {} };
  const child = spawn('caffeinate', ['-i', '-m', '-w', String(process.pid)], { stdio: 'ignore' });
  // Without it the Mac may sleep, and the training goes on when it wakes.
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
          : `On battery, ${left}% left: plug it in, or the training ends with it; what was saved can be gone on with`,
      );
    });
  });
}
