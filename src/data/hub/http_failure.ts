/** What can go wrong between here and the hub, and what a user can do about it. */
import { UserError } from '../../base/errors.ts';
import { pageAddress, type RepositoryId } from './hub_address.ts';

interface Facts {
  /** Whether the same question may be answered later. */
  passing: boolean;
  /** The host that failed. */
  host: string;
  /** Nothing could be reached at all. */
  unreachable?: boolean;
  status?: number;
  /** The hub's own name of the problem: `GatedRepo`, `RevisionNotFound`, ... */
  code?: string;
  /** What the hub says about it. */
  detail?: string;
  /** How long the server asks to wait. */
  waitSeconds?: number;
}

/** A request that failed; the message says how, as the end of "huggingface.co ...". */
export class HubFailure extends Error {
  override name = 'HubFailure';
  constructor(
    message: string,
    readonly facts: Facts,
  ) {
    super(message);
  }
}

export interface RepositoryRevision extends RepositoryId {
  /** As the user wrote it. */
  revision: string;
}

/** Turns a failure of the hub into a sentence for the user; other errors are returned unchanged. */
export function explain(
  error: unknown,
  repository: RepositoryRevision,
  endpoint: string,
  token: boolean,
): unknown {
  if (!(error instanceof HubFailure)) return error;
  const { status, code, detail = '', waitSeconds, host, unreachable } = error.facts;
  const { type, name, revision } = repository;
  const page = pageAddress(endpoint, repository);
  const noun = type === 'dataset' ? 'data set' : 'model';
  const ours = host === new URL(endpoint).host;
  if (ours && code === 'GatedRepo') return gated(`${noun} hf:${name}`, page, token);
  if (ours && status === 401 && /invalid credentials/i.test(detail)) {
    return new UserError(
      `${host} does not know your HF_TOKEN; make a new one under ${endpoint}/settings/tokens, or unset it ` +
        '(and remove the file "token" in HF_HOME) where none is needed',
    );
  }
  if (ours && (code === 'RepoNotFound' || status === 401 || status === 403 || (status === 404 && !code))) {
    return new UserError(
      `Expected the ${noun} "${name}" on ${host}, but it is not there or is private; check its name on ${page}` +
        (token
          ? ', and that your HF_TOKEN may read it'
          : ', and set HF_TOKEN to a token that may read it if it is private'),
    );
  }
  if (code === 'RevisionNotFound') {
    return new UserError(
      `Expected the revision "${revision}" of hf:${name}, but the hub has none of that name; see ${page}/tree/main for its branches`,
    );
  }
  if (status === 429) {
    const wait = waitSeconds ? `; wait ${minutes(waitSeconds)} and start again` : '; wait and start again';
    const more = token ? '' : ' (a free account and its HF_TOKEN may ask more often)';
    return new UserError(`${host} was asked too often for hf:${name}${wait}, what has come is kept${more}`);
  }
  const next = unreachable ? 'check the network' : 'start again later';
  return new UserError(`hf:${name}: ${host} ${error.message}; ${next}, what has come is kept`);
}

function gated(what: string, page: string, token: boolean): UserError {
  return new UserError(
    token
      ? `The ${what} is gated, and the account of your HF_TOKEN has not been let in; accept its terms on ${page} and start again`
      : `The ${what} is gated: accept its terms on ${page}, make a token under ${new URL(page).origin}/settings/tokens and set HF_TOKEN to it`,
  );
}

function minutes(seconds: number): string {
  return seconds < 120 ? `${Math.ceil(seconds)} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}
