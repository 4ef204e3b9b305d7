/** A mistake in the usage or in the data: one sentence, shown without a stack trace. Exit code 2 means wrong usage. */
export class UserError extends Error {
  override name = 'UserError';
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message);
  }
}
