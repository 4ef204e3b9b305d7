/** A data set on Kaggle, by version. */
import { UserError } from '../../run/errors.ts';
import type { Part, Source, SourceContext } from './part.ts';

/** The parts of the source. */
export async function kaggleParts({ text }: Source, _context: SourceContext): Promise<Part[]> {
  throw new UserError(`"${text}": this kind of source is not supported yet; use a folder`, 2);
}
