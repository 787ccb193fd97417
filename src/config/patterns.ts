/** Regular expressions that a user gives as text or as a RegExp. */
import { usageError } from '../core/errors.ts';

/**
 * The flags `g` and `y` are taken off: with them `test` remembers where it stopped, and a line that matches would be
 * missed every second time.
 *
 * @param option where the pattern came from, for the message.
 * @throws UserError `invalid-pattern`.
 */
export function parsePattern(pattern: string | RegExp, option: string): RegExp {
  if (typeof pattern !== 'string') return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  if (pattern === '') {
    throw usageError(
      'invalid-pattern',
      `${option} is empty, and an empty pattern matches every line`,
      'give a part of the line that says the worker is ready',
    );
  }
  try {
    return new RegExp(pattern);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : '';
    throw usageError(
      'invalid-pattern',
      `${option} is ${JSON.stringify(pattern)}, which is no regular expression: ${reason}`,
      'put a backslash before characters that are meant literally, such as \\( or \\[',
    );
  }
}
