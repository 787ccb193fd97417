/** Words out of a fixed list, and what to say about one that is not in it. */
import { closest, distance } from 'fastest-levenshtein';
import { usageError } from '../core/errors.ts';
import type { UserError } from '../core/errors.ts';

/**
 * The candidate that was most likely meant. `null` where none is near: a wild guess misleads more than it helps.
 * Case and the difference of `-` and `_` count for nothing.
 */
export function nearest(word: string, candidates: readonly string[]): string | null {
  if (candidates.length === 0) return null;
  const byPlain = new Map(candidates.map((candidate) => [plain(candidate), candidate]));
  const found = closest(plain(word), [...byPlain.keys()]);
  const tolerance = Math.max(1, Math.min(3, Math.floor(Math.max(word.length, found.length) * 0.4)));
  return distance(plain(word), found) <= tolerance ? (byPlain.get(found) ?? null) : null;
}

/** So many are offered of a long list. */
const MOST_ALIKE = 4;

/** Those of a long list that may have been meant: the one that is spelt nearly so, then those that have the word in them. */
export function likest(word: string, candidates: readonly string[]): readonly string[] {
  const near = nearest(word, candidates);
  const around = candidates.filter((candidate) => plain(candidate).includes(plain(word)));
  return [...new Set([...(near === null ? [] : [near]), ...around])].slice(0, MOST_ALIKE);
}

/** The remedy for a word that is not in the list: the nearest one, then all of them. */
export function suggestion(word: string, candidates: readonly string[], noun: string): string {
  const found = nearest(word, candidates);
  const list = `${noun}: ${candidates.join(', ')}`;
  return found === null ? list : `did you mean ${JSON.stringify(found)}? ${list}`;
}

export function unknownValue(option: string, value: string, choices: readonly string[]): UserError {
  return usageError(
    'unknown-value',
    `${option} is ${JSON.stringify(value)}, which is none of its values`,
    suggestion(value, choices, 'valid'),
  );
}

/**
 * @param option where the value came from, for the message.
 * @throws UserError `unknown-value`, with the nearest valid one.
 */
export function parseChoice<const T extends string>(value: string, choices: readonly T[], option: string): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw unknownValue(option, value, choices);
  return found;
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll('_', '-');
}
