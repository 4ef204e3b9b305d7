/** Names of repositories of the hub, and what stands after `hf:`: owner/name[@revision][:glob]. */
import { UserError } from '../../base/errors.ts';

/** A repository of the hub: a data set, or a model's weights. */
export interface RepositoryId {
  type: 'dataset' | 'model';
  /** owner/name */
  name: string;
}

export interface Place {
  /** owner/name */
  name: string;
  /** A branch, tag or commit. */
  revision: string;
  /** A pattern over the paths of its files, a path, or nothing. */
  pattern?: string;
}

/** @throws UserError, exit code 2, when it is of another form */
export function readPlace(path: string, text: string): Place {
  const [, name, , revision = 'main', , pattern] = /^([^@:]+)(@([^:]+))?(:(.*))?$/s.exec(path) ?? [];
  const word = /^(?!.*(\.\.|--))[A-Za-z0-9][\w.-]{0,95}\/[\w.-]{1,96}$/;
  const branch = /^(?!.*(\.\.|\/\/))[\w.][\w./+-]{0,200}(?<![/.])$/;
  if (name !== undefined && word.test(name) && branch.test(revision)) {
    const trimmed = pattern?.replace(/^(\.?\/)+|\/+$/g, '');
    return trimmed ? { name, revision, pattern: trimmed } : { name, revision };
  }
  throw new UserError(
    `Expected hf:OWNER/NAME, then @REVISION and :FILES if they are needed ` +
      `('hf:uoft-cs/cifar10:plain_text/test-*.parquet'), but found "${text}"`,
    2,
  );
}

/** The page of a repository: a model's has no folder before it. */
export function pageAddress(endpoint: string, { type, name }: RepositoryId): string {
  return type === 'dataset' ? `${endpoint}/datasets/${name}` : `${endpoint}/${name}`;
}
