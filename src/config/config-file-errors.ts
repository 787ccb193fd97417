/** An error that came out of a config file, as a sentence with file and line instead of a stack. */
import { usageError } from '../core/errors.ts';
import type { UserError } from '../core/errors.ts';

/**
 * @param error whatever running the file threw.
 * @param file the file's absolute path, as it stands in stacks.
 * @param name how the file is called in messages.
 */
export function describeLoadError(error: unknown, file: string, name: string): UserError {
  if (!(error instanceof Error)) {
    return broken(`${name} threw ${typeof error === 'string' ? error : 'something that is no error'}`);
  }
  const message = firstLine(error.message);
  const missing = /^Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1];
  if (missing !== undefined) {
    return usageError(
      'config-broken',
      `${name} imports ${JSON.stringify(missing)}, which cannot be found`,
      /^[./]/.test(missing)
        ? 'check the path of the import'
        : 'install the package where the config file is, or remove the import',
    );
  }
  const where = position(error, file);
  const problem = message.replace(/^(?:ParseError|SyntaxError):\s*/, '').replace(/\.$/, '');
  return broken(`${where === null ? name : `${name}, line ${where}`}: ${problem}`);
}

function broken(message: string): UserError {
  return usageError('config-broken', message, 'mend the config file, or give another one with --config');
}

/** The line in the file: from the parser's message, else from the first frame of the stack that is in it. */
function position(error: Error, file: string): string | null {
  const text = `${error.message}\n${error.stack ?? ''}`;
  const start = text.indexOf(`${file}:`);
  if (start === -1) return null;
  return /^\d+/.exec(text.slice(start + file.length + 1))?.[0] ?? null;
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').trim();
}
