/**
 * Timestamps that were written in another time zone than the others: each is compared with the moment at which the
 * server saw it written, so that a job that "started" nine hours from now shows even though the order is kept.
 *
 * What would fool it: a worker's clock that differs from the database's (then by no multiple of a quarter of an hour,
 * which every zone is; and where the database's own clock is far from ours, nothing is judged), a column without a
 * zone whose every value is in local time (then all are shifted alike, which is a convention and no fault), and a
 * created_at that the harness wrote itself into such a column: it does not know the convention, so the worker's own
 * values are compared with each other.
 */
import { finding, type Finding } from '../findings.ts';
import { first, type History } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import { parseTimestamp } from '../timestamps.ts';

const QUARTER_MS = 15 * 60_000;
const TOLERANCE_MS = 5_000;
const COLUMNS = [
  ['createdAt', 'created_at'],
  ['startedAt', 'started_at'],
  ['completedAt', 'completed_at'],
] as const;

export function clockShifts(history: History, facts: RestartFacts): readonly Finding[] {
  const offsetMs = first(history, 'clock:measured')?.offsetMs ?? 0;
  if (Math.abs(offsetMs) > QUARTER_MS / 2) return [];
  const guessed = isCreatedAtGuessed(history, facts);
  const columns = COLUMNS.filter(([role]) => role !== 'createdAt' || !guessed);
  const shifts = columns.flatMap(([role, column]) => {
    const shift = shiftOf(facts, role);
    return shift ? [{ column, ...shift }] : [];
  });
  // With a zone there is one right time. Without, the first that was written sets the convention.
  const convention = shifts.find(({ zoned }) => !zoned)?.shiftMs;
  return shifts.flatMap(({ column, zoned, shiftMs }) => {
    const differenceMs = shiftMs - (zoned ? 0 : (convention ?? shiftMs));
    const quarters = Math.round(differenceMs / QUARTER_MS);
    const isZone = quarters !== 0 && Math.abs(differenceMs - quarters * QUARTER_MS) < TOLERANCE_MS;
    return isZone ? [finding('timestamp-shifted', { column, hours: quarters / 4 })] : [];
  });
}

/** The first value of a column against the moment at which it was written. */
function shiftOf({ changes }: RestartFacts, role: (typeof COLUMNS)[number][0]) {
  const version = changes.find(({ values }) => values?.[role] != null);
  const timestamp = parseTimestamp(version?.values?.[role] ?? '');
  return (
    version && timestamp && { zoned: timestamp.zoned, shiftMs: timestamp.epochMs - version.databaseAtMs }
  );
}

export function isCreatedAtGuessed(history: History, { job }: RestartFacts): boolean {
  return history.of('job:created').some((event) => event.job === job && event.createdAtGuessed === true);
}
