/** What can go wrong between here and Kaggle, and what a user can do about it. */
import { UserError } from '../../base/errors.ts';
import { HubFailure } from '../hub/http_failure.ts';
import type { KaggleSettings } from './kaggle_settings.ts';

const KEY =
  'make a key on https://www.kaggle.com/settings under API and set KAGGLE_USERNAME and KAGGLE_KEY (or KAGGLE_API_TOKEN)';

/** Turns a failure of the host into a sentence for the user; other errors are returned unchanged. */
export function explain(error: unknown, name: string, { endpoint, authorization }: KaggleSettings): unknown {
  if (!(error instanceof HubFailure)) return error;
  const { status, host, unreachable } = error.facts;
  const page = `${endpoint}/datasets/${name.replace(/@.*/, '')}`;
  if (status === 401) {
    return new UserError(
      authorization
        ? `Kaggle does not know the key that is set, so kaggle:${name} can't be fetched; ${KEY}`
        : `Kaggle gives kaggle:${name} only to those it knows; ${KEY}`,
    );
  }
  if (status === 403) {
    return new UserError(
      authorization
        ? `Kaggle does not give kaggle:${name} to this account; accept its terms on ${page}, or ask its owner`
        : `Kaggle gives kaggle:${name} only to those it knows; ${KEY}, and accept the terms on ${page} if there are any`,
    );
  }
  if (status === 404) {
    return new UserError(
      `Expected the data set "${name}" on Kaggle, but it is not there or is private; check owner, name and version on ${page}` +
        (authorization ? '' : `, and if it is private ${KEY}`),
    );
  }
  if (status === 429)
    return new UserError(`Kaggle was asked too often for kaggle:${name}; wait and start again`);
  const next = unreachable ? 'check the network' : 'start again later';
  return new UserError(`kaggle:${name}: ${host} ${error.message}; ${next}, what has come is kept`);
}
