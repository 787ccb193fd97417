/** The moment of the strike, as text and as a value. */
import { usageError } from '../core/errors.ts';
import { nearest } from './choice.ts';
import { formatDuration, parseDuration } from './durations.ts';
import type { StrikeAt } from './settings.ts';

const MOMENTS = ['processing', 'progress', 'pending', 'retrying'] as const;

/**
 * `processing`, `progress`, `progress:40%`, `pending`, `retrying`, or a duration since PROCESSING such as `2s`.
 * A percentage is whole and from 1 to 99: at 0 nothing is done (that is `processing`), at 100 nothing is left.
 *
 * @param option where the text came from, for the message.
 * @throws UserError `invalid-strike-at`.
 */
export function parseStrikeAt(text: string, option: string): StrikeAt {
  const word = text.trim();
  const moment = MOMENTS.find((candidate) => candidate === word);
  if (moment !== undefined) return { kind: moment };

  const progress = /^progress:(\d+)%$/.exec(word);
  if (progress !== null) {
    const percent = Number(progress[1]);
    if (percent >= 1 && percent <= 99) return { kind: 'progress-at', percent };
    throw usageError(
      'invalid-strike-at',
      `${option} is ${JSON.stringify(text)}, but the job is only under way from 1% to 99%`,
      'give a whole percentage in between, such as progress:40%',
    );
  }

  if (/^\d/.test(word)) return { kind: 'after-processing', delayMs: parseDuration(word, option) };

  const meant = word.startsWith('progress:') ? 'progress:40%' : nearest(word, MOMENTS);
  const list =
    'valid: processing, progress, progress:40%, a duration since PROCESSING such as 2s, pending, retrying';
  throw usageError(
    'invalid-strike-at',
    `${option} is ${JSON.stringify(text)}, which is no moment of a run`,
    meant === null ? list : `did you mean ${JSON.stringify(meant)}? ${list}`,
  );
}

/** The text that `parseStrikeAt` reads as the same moment. */
export function describeStrikeAt(strikeAt: StrikeAt): string {
  switch (strikeAt.kind) {
    case 'progress-at':
      return `progress:${strikeAt.percent}%`;
    case 'after-processing':
      return formatDuration(strikeAt.delayMs);
    case 'processing':
    case 'progress':
    case 'pending':
    case 'retrying':
      return strikeAt.kind;
  }
}
