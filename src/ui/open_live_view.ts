/** Opens the live view: React and Ink are loaded by those who look at it alone. */
import { UserError } from '../base/errors.ts';
import type { LiveOptions, LiveView } from './live_view.ts';
import { canShow, LEAST, type Terminal } from './terminal_fits.ts';

/** @throws UserError where it can't be shown */
export async function openLiveView(terminal: Terminal, options: LiveOptions): Promise<LiveView> {
  if (!canShow(terminal)) {
    throw new UserError(
      `Expected a terminal of at least ${LEAST.columns} x ${LEAST.rows} characters for --ui tui, but there is none; take --ui plain`,
      2,
    );
  }
  const given = process.env.NODE_ENV;
  // React's development build keeps a record of every drawing.
  process.env.NODE_ENV = 'production';
  try {
    const { LiveView } = await import('./live_view.ts');
    return new LiveView(terminal, options);
  } finally {
    if (given === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = given;
  }
}
