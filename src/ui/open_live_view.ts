/** Opens the live view where there is a terminal for it. */
import { UserError } from '../base/errors.ts';
import { type LiveOptions, LiveView } from './live_view.ts';
import { canShow, LEAST, type Terminal } from './terminal_fits.ts';

/** @throws UserError where it can't be shown */
export function openLiveView(terminal: Terminal, options: LiveOptions): LiveView {
  if (canShow(terminal)) return new LiveView(terminal, options);
  throw new UserError(
    `Expected a terminal of at least ${LEAST.columns} x ${LEAST.rows} characters for --ui tui, but there is none; use --ui plain`,
    2,
  );
}
