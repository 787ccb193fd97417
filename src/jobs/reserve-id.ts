/** An id for a row that is not inserted yet, so that observers can be set for it first. */
import { randomUUID } from 'node:crypto';
import { environmentError } from '../core/errors.ts';
import type { Column } from './columns.ts';
import type { Database } from './database.ts';
import { quoteIdentifier, quoteLiteral } from './quote.ts';
import type { JobTable } from './table.ts';

/**
 * Where the column makes its own ids (a sequence, any other default), it is asked for one: an id of our own making
 * could be the one that it gives to somebody else next.
 * @param taken ids that were reserved before and are not in the table yet
 * @returns the id as the database writes it
 * @throws UserError `id-not-ours` where the column's values can be known neither by us nor by a default
 */
export async function reserveId(
  database: Database,
  table: JobTable,
  taken: readonly string[] = [],
): Promise<string> {
  const expression = idExpression(table, taken.length);
  if (expression === null)
    throw notOurs(table, `has the type ${table.idColumn.type}, for which no id can be made`);
  try {
    const { rows } = await database.query<{ id: string | null }>(
      `select (${expression})::${table.idColumn.declaredType}::text as id`,
    );
    const id = rows[0]?.id;
    if (id != null && id !== '' && !taken.includes(id)) return id;
  } catch (error) {
    throw notOurs(
      table,
      `gives no id: ${error instanceof Error ? error.message : String(error)}`,
      'grant the user USAGE on its sequence, or name another column with jobs: { columns: { id: … } } in the config file',
    );
  }
  throw notOurs(table, 'has a default that makes no ids');
}

function idExpression(table: JobTable, taken: number): string | null {
  const column = table.idColumn;
  // A serial column's default is its sequence too; an identity column has no default that could be asked.
  // A constant is no maker of ids.
  if (column.defaultExpression !== null && !/^(?:'|-?\d|null|true|false)/i.test(column.defaultExpression))
    return column.defaultExpression;
  if (column.sequence !== null) return `nextval(${quoteLiteral(column.sequence)}::regclass)`;
  if (column.type === 'uuid') return quoteLiteral(randomUUID());
  if (isText(column)) return quoteLiteral(textId(column));
  if (/^(?:smallint|integer|bigint|numeric)$/.test(column.type)) {
    return `select coalesce(max(${quoteIdentifier(column.name)}), 0) + ${taken + 1} from ${table.sql}`;
  }
  return null;
}

function isText(column: Column): boolean {
  return /(?:^|\.)(?:text|character varying|bpchar|citext)$/.test(column.type);
}

/** Cut where the column is short: 12 hexadecimal digits still are 48 random bits. */
function textId({ maxLength }: Column): string {
  const id = randomUUID();
  return maxLength === null || maxLength >= id.length ? id : id.replaceAll('-', '').slice(0, maxLength);
}

function notOurs(table: JobTable, why: string, remedy?: string): Error {
  return environmentError(
    'id-not-ours',
    `the id column "${table.idColumn.name}" of ${table.name} ${why}`,
    remedy ?? 'name another column with jobs: { columns: { id: … } } in the config file',
  );
}
