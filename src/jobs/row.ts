/** A row as events carry it: one SQL expression that reads the roles, and what its JSON means. */
import type { JobState, RowValues } from '../core/event.ts';
import type { ColumnRole, StatusMapping } from '../config/settings.ts';
import { quoteIdentifier, quoteLiteral } from './quote.ts';
import type { JobTable } from './table.ts';

/** Longer errors are cut: an event is no place for a stack trace of a megabyte. */
const LONGEST_ERROR = 2_000;

const RECORDED_ROLES: readonly ColumnRole[] = [
  'status',
  'taskId',
  'progress',
  'startedAt',
  'completedAt',
  'createdAt',
  'retryCount',
  'maxRetries',
  'lastRetryAt',
  'error',
  'owner',
  'leaseUntil',
  'heartbeatAt',
  'attempts',
];

/** Settings that decide how values are shown: the same wherever a row is read, so that equal rows have equal digests. */
export const FIXED_FORMS: Readonly<Record<string, string>> = {
  timezone: 'UTC',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  lc_monetary: 'C',
};

/**
 * A jsonb expression with the recorded roles and a digest of the whole row. Virtual columns are left out of the
 * digest: a trigger does not see them, and they say nothing that the others do not.
 * @param row the row's name in the statement: an alias, `NEW` or `OLD`
 */
export function rowExpression(table: JobTable, row: string): string {
  const pairs = RECORDED_ROLES.flatMap((role) => {
    const column = table.roles[role];
    if (column === undefined) return [];
    const value = `${row}.${quoteIdentifier(column.name)}`;
    return [`'${role}', ${role === 'error' ? `left(${value}::text, ${LONGEST_ERROR})` : value}`];
  });
  const stored = table.columns.filter((column) => column.generated !== 'virtual');
  const all = stored.map((column) => `${row}.${quoteIdentifier(column.name)}`).join(', ');
  return `jsonb_build_object(${[...pairs, `'digest', md5(row(${all})::text)`].join(', ')})`;
}

export function toRowValues(json: Readonly<Record<string, unknown>>, statuses: StatusMapping): RowValues {
  // The blanks that fill up a char(n) mean nothing.
  const status = textOf(json['status'])?.trimEnd() ?? null;
  const values: Record<string, unknown> = {
    status,
    state: stateOf(status, statuses),
    digest: textOf(json['digest']) ?? '',
  };
  for (const role of [
    'taskId',
    'startedAt',
    'completedAt',
    'createdAt',
    'lastRetryAt',
    'error',
    'owner',
    'leaseUntil',
    'heartbeatAt',
  ]) {
    if (role in json) values[role] = textOf(json[role]) ?? null;
  }
  for (const role of ['progress', 'retryCount', 'maxRetries', 'attempts']) {
    // What is no number at all plays no role of a count, and is not taken for emptied.
    const number = role in json ? numberOf(json[role]) : undefined;
    if (number !== undefined) values[role] = number;
  }
  return values as unknown as RowValues;
}

export function stateOf(status: string | null, statuses: StatusMapping): JobState {
  if (status === null) return 'unknown';
  const wanted = status.toLowerCase();
  for (const [state, names] of Object.entries(statuses)) {
    if (names.some((name: string) => name.toLowerCase() === wanted)) return state as keyof StatusMapping;
  }
  return 'unknown';
}

function textOf(value: unknown): string | null | undefined {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** As a number, a text of digits, "20 %" or "1/5", which is a share of a hundred too. `undefined`: none of these. */
function numberOf(value: unknown): number | null | undefined {
  if (value === undefined || value === null || value === '') return null;
  const [, done, total] = (typeof value === 'string' && /^\s*(\d+)\s*\/\s*(\d+)\s*$/.exec(value)) || [];
  const number =
    done === undefined
      ? Number(typeof value === 'string' ? value.replace(/\s*%\s*$/, '') : value)
      : (100 * Number(done)) / Number(total);
  return Number.isFinite(number) ? number : undefined;
}

/** A condition that finds rows by id, whatever the id's type. */
export function idCondition(table: JobTable, row: string, ids: readonly string[]): string {
  if (ids.length === 0) return 'false';
  // Without a cast a literal takes the column's own type.
  const literals = ids.map(quoteLiteral);
  return `${row}.${quoteIdentifier(table.idColumn.name)} in (${literals.join(', ')})`;
}
