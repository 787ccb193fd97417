/** Whole numbers within limits. */
import { usageError } from '../core/errors.ts';

interface Limits {
  readonly least: number;
  readonly most: number;
}

/**
 * @param value text from a flag, or a number from a config file.
 * @param option where the value came from, for the message.
 * @throws UserError `invalid-number` for anything but a whole number within the limits.
 */
export function parseCount(value: string | number, option: string, { least, most }: Limits): number {
  const count = typeof value === 'number' ? value : /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
  if (Number.isSafeInteger(count) && count >= least && count <= most) return count;
  throw usageError(
    'invalid-number',
    `${option} is ${typeof value === 'number' ? value : JSON.stringify(value)}, which is no whole number from ${least} to ${most}`,
    `give a whole number from ${least} to ${most}`,
  );
}
