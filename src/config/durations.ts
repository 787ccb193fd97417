/** Durations as people write them: a number and its unit. */
import { usageError } from '../core/errors.ts';

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** What a timer of Node can hold; above it a timer fires at once, which would turn a long wait into none. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * `500ms`, `30s`, `1.5s`, `2m`, `1h` → integer milliseconds, never negative. A number without a unit is refused:
 * seconds and milliseconds are too easily confused.
 *
 * @param option where the text came from, for the message.
 * @throws UserError `invalid-duration`.
 */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  const unit = unitOf(match?.[2]);
  if (match === null || unit === null) {
    throw usageError(
      'invalid-duration',
      `${option} is ${JSON.stringify(text)}, which is no duration`,
      'write a number with its unit: 500ms, 30s, 2m or 1h',
    );
  }
  const ms = Math.round(Number(match[1]) * MS_PER_UNIT[unit]);
  if (ms > LONGEST_MS) {
    throw usageError(
      'invalid-duration',
      `${option} is ${JSON.stringify(text)}, which is longer than a timer can wait`,
      `give at most ${formatDuration(Math.floor(LONGEST_MS / MS_PER_UNIT.h) * MS_PER_UNIT.h)}`,
    );
  }
  return ms;
}

/** The same for a wait that makes no sense as nothing: zero is refused too. */
export function parseTimeout(text: string, option: string): number {
  const ms = parseDuration(text, option);
  if (ms === 0) {
    throw usageError(
      'invalid-duration',
      `${option} is ${JSON.stringify(text)}, which leaves no time at all`,
      'give a time above zero, such as 30s',
    );
  }
  return ms;
}

/** The shortest text that `parseDuration` reads as the same time: `1500` → `1500ms`, `120000` → `2m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    if (ms > 0 && ms % MS_PER_UNIT[unit] === 0) return `${ms / MS_PER_UNIT[unit]}${unit}`;
  }
  return `${ms}ms`;
}

function unitOf(text: string | undefined): keyof typeof MS_PER_UNIT | null {
  return text === 'ms' || text === 's' || text === 'm' || text === 'h' ? text : null;
}
