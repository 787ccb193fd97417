/** Puts the planned row into the table, or says why the table did not take it. */
import { environmentError } from '../core/errors.ts';
import type { Database } from './database.ts';
import type { PlannedRow } from './plan-row.ts';
import { quoteIdentifier } from './quote.ts';
import { deleteRow } from './read-rows.ts';
import type { JobTable } from './table.ts';

/**
 * Inserts the row. Parameters are not cast: each takes its column's own type.
 * @throws UserError `insert-refused` when a constraint, a trigger or a missing privilege of the table refuses it, or
 *   when a trigger changed its id or dropped it
 */
export async function insertJob(database: Database, table: JobTable, planned: PlannedRow): Promise<void> {
  const names = [...planned.values.keys()];
  const override = table.columns.some(
    (column) => column.generated === 'identity-always' && planned.values.has(column.name),
  );
  const idName = quoteIdentifier(table.idColumn.name);
  const statement = `insert into ${table.sql} (${names.map(quoteIdentifier).join(', ')})${override ? ' overriding system value' : ''}
    values (${names.map((_, index) => `$${index + 1}`).join(', ')}) returning ${idName}::text as id`;
  let inserted: string | undefined;
  try {
    const { rows } = await database.query<{ id: string }>(statement, [...planned.values.values()]);
    inserted = rows[0]?.id;
  } catch (error) {
    throw refused(table, error);
  }
  if (inserted === planned.values.get(table.idColumn.name)) return;
  if (inserted !== undefined) await deleteRow(database, table.sql, table.idColumn.name, inserted);
  throw environmentError(
    'insert-refused',
    inserted === undefined
      ? `${table.name} took the test row and did not keep it: a trigger or rule of the table dropped it`
      : `a trigger of ${table.name} gives rows ids of its own, so that the test row cannot be followed`,
    'name another table or id column, or let the trigger keep an id that is given',
  );
}

function refused(table: JobTable, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : '';
  const detail = error instanceof Error && 'detail' in error ? error.detail : undefined;
  const text = `${table.name} refused the test row: ${message}${code === '23503' && typeof detail === 'string' ? ` (${detail})` : ''}`;
  return environmentError('insert-refused', text, remedyFor(code, message, table), error);
}

function remedyFor(code: unknown, message: string, table: JobTable): string {
  if (code === '25006') return 'name a server and a user that may write in --database-url (DATABASE_URL)';
  if (code === '55P03')
    return `end the transaction that keeps ${table.name} locked (see pg_stat_activity), and try again`;
  if (code === '42501' && /row-level security/.test(message)) {
    return 'use a user that the policies let insert and see the row, or give the columns they look at: jobs: { insert: { … } }';
  }
  if (code === '23514' || code === '22P02') {
    return "give the columns the values they need in the config file: jobs: { insert: { … } }, or jobs: { statuses: { pending: ['…'] } } where it is the status";
  }
  return 'give the columns the values they need in the config file: jobs: { insert: { … } }';
}
