/** npm's install script: whatever happens the install succeeds, and the first use says what is missing. */
import { installAddon } from './build_addon.mjs';
import { say } from './shell.mjs';
import { addonMissing } from './tools.mjs';

try {
  installAddon();
} catch (error) {
  say(/** @type {Error} */ (error).message);
  say(addonMissing());
}
