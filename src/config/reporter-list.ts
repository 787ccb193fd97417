/** Which reports are made, and where they go. */
import path from 'node:path';
import { usageError } from '../core/errors.ts';
import { AVAILABLE_REPORTERS, notAvailable } from './available.ts';
import { parseChoice } from './choice.ts';
import { REPORTER_NAMES } from './settings.ts';
import type { ReporterSetting } from './settings.ts';

/**
 * `json`, `json=report.json`: a bare name goes to standard output, `name=path` to a file.
 *
 * @param entries one reporter each.
 * @param option where they came from, for the message.
 * @param folder what relative paths are relative to.
 * @throws UserError `unknown-value`, `not-available` or `invalid-reporter`.
 */
export function parseReporters(
  entries: readonly string[],
  option: string,
  folder: string,
): readonly ReporterSetting[] {
  const reporters = entries.map((entry) => parseReporter(entry.trim(), option, folder));
  if (reporters.length === 0) {
    throw usageError('invalid-reporter', `${option} names no reporter`, 'name at least one, such as console');
  }
  for (const [index, reporter] of reporters.entries()) {
    const same = reporters.findIndex(({ name, path }) => name === reporter.name && path === reporter.path);
    if (same !== index) {
      throw usageError(
        'invalid-reporter',
        `${option} names ${reporter.name} twice with the same destination`,
        'name it once',
      );
    }
  }
  return reporters;
}

function parseReporter(entry: string, option: string, folder: string): ReporterSetting {
  const [word = '', ...rest] = entry.split('=');
  const name = parseChoice(word, REPORTER_NAMES, option);
  if (!AVAILABLE_REPORTERS.includes(name)) throw notAvailable(option, name, AVAILABLE_REPORTERS);
  if (rest.length === 0) return { name, path: null };
  const file = rest.join('=');
  if (file === '') {
    throw usageError(
      'invalid-reporter',
      `${option} is ${JSON.stringify(entry)}, which names no file`,
      `write ${name}=report.txt for a file, or ${name} alone for standard output`,
    );
  }
  return { name, path: path.resolve(folder, file) };
}
