/** The database's clock as it was compared with the harness's: the one place where their times are related. */
import { first, type History, type RowVersion } from './history.ts';

export interface DatabaseClock {
  /** A time of the database (epoch ms) as `atMs` of the run. */
  readonly toRunMs: (databaseMs: number) => number;
  /** The true time lies within ± this. */
  readonly uncertaintyMs: number;
}

/** When a version was written, as `atMs` of the run: a busy harness reads it late. Where no clocks were compared, as read. */
export function writtenAtMs(
  history: History,
  { atMs, databaseAtMs }: Pick<RowVersion, 'atMs' | 'databaseAtMs'>,
): number {
  return Math.min(atMs, databaseClock(history)?.toRunMs(databaseAtMs) ?? atMs);
}

/** @returns `null` where the clocks were not compared, or the run's beginning is not known */
export function databaseClock(history: History): DatabaseClock | null {
  const measured = first(history, 'clock:measured');
  const zero = Date.parse(first(history, 'run:started')?.startedAt ?? '');
  if (measured === undefined || Number.isNaN(zero)) return null;
  const { offsetMs, uncertaintyMs } = measured;
  return { toRunMs: (databaseMs) => databaseMs - zero - offsetMs, uncertaintyMs };
}
