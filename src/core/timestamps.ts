/** Timestamps as columns show them. */

/** A date and a time of day, with or without a zone, as ISO 8601 or as PostgreSQL prints it. */
const TIMESTAMP = /^(\d{4,}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d(?::?\d\d)?)?$/;

/** Seconds or milliseconds since 1970, as a column of numbers holds them, of this century or so. */
const EPOCH = /^(?:(\d{10}(?:\.\d+)?)|(\d{13}))$/;

export interface Timestamp {
  /** Without a zone it is read as UTC, which is right for a comparison with others that have none. */
  readonly epochMs: number;
  readonly zoned: boolean;
}

/** `null`: no date with a time of day, and no number that stands for one. */
export function parseTimestamp(text: string): Timestamp | null {
  const [, seconds, milliseconds] = EPOCH.exec(text) ?? [];
  if (seconds !== undefined) return { epochMs: Number(seconds) * 1000, zoned: true };
  if (milliseconds !== undefined) return { epochMs: Number(milliseconds), zoned: true };
  const [, date, time, zone] = TIMESTAMP.exec(text) ?? [];
  if (date === undefined || time === undefined) return null;
  const offset = (zone ?? 'Z').replace(/^([+-]\d\d)$/, '$1:00').replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  const epochMs = Date.parse(`${date}T${time}${offset}`);
  return Number.isNaN(epochMs) ? null : { epochMs, zoned: zone !== undefined };
}

/**
 * The same time, give or take what a rewriting loses: an object mapper that saves a whole row writes the microseconds
 * that it read back as milliseconds.
 */
export function isSameTime(one: string | null | undefined, other: string | null | undefined): boolean {
  if (one === other) return true;
  const [before, after] = [parseTimestamp(one ?? ''), parseTimestamp(other ?? '')];
  if (before === null || after === null || before.zoned !== after.zoned) return false;
  return Math.abs(before.epochMs - after.epochMs) <= 1;
}
