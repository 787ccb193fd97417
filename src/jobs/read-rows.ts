/** Deliberate looks at the job table: rows by id, rows by file, the database's clock. */
import type { StatusMapping } from '../config/settings.ts';
import type { RowValues } from '../core/event.ts';
import type { Database } from './database.ts';
import { filesOf } from './files-of.ts';
import { quoteIdentifier, quoteLiteral } from './quote.ts';
import { FIXED_FORMS, idCondition, rowExpression, toRowValues } from './row.ts';
import type { JobTable } from './table.ts';

export interface ReadRows {
  /** By id as text; rows that are not there are missing. */
  readonly rows: ReadonlyMap<string, RowValues>;
  /** Epoch ms by the server's clock. */
  readonly databaseAtMs: number;
}

export async function readRows(
  database: Database,
  table: JobTable,
  statuses: StatusMapping,
  ids: readonly string[],
): Promise<ReadRows> {
  const found = await database.transact<{
    id: string | null;
    json: Record<string, unknown> | null;
    at_ms: string;
  }>(
    [
      `select c.at_ms, r.id, r.json
         from (select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as at_ms) c
         left join (select t.${quoteIdentifier(table.idColumn.name)}::text as id, ${rowExpression(table, 't')} as json
                      from ${table.sql} t where ${idCondition(table, 't', ids)}) r on true`,
    ],
    FIXED_FORMS,
  );
  const rows = new Map<string, RowValues>();
  for (const { id, json } of found) {
    if (id !== null && json !== null) rows.set(id, toRowValues(json, statuses));
  }
  return { rows, databaseAtMs: Number(found[0]?.at_ms ?? 0) };
}

export interface CarrierRow {
  readonly id: string;
  readonly files: readonly string[];
}

/** No index helps with a text within a text: so long may the whole table take. */
const SEARCH_TIMEOUT_MS = 5_000;

/**
 * The rows that carry files with one of the texts, one row a job and one a child or a duplicate of it.
 * @returns the rows, or the reason why they could not be found, as a sentence
 */
export async function rowsCarrying(
  database: Database,
  table: JobTable,
  texts: readonly string[],
  timeoutMs = SEARCH_TIMEOUT_MS,
): Promise<readonly CarrierRow[] | string> {
  const column = table.roles.files;
  if (column === undefined)
    return `${table.name} has no column for the files, by which a copy could be found`;
  const name = quoteIdentifier(column.name);
  try {
    const rows = await database.transact<{ id: string; files: string }>(
      [
        `select ${quoteIdentifier(table.idColumn.name)}::text as id, ${name}::text as files
           from ${table.sql} where ${containsOne(name, texts)}`,
      ],
      { statement_timeout: String(timeoutMs) },
    );
    return rows.map((row) => ({ id: row.id, files: filesOf(row.files, texts) }));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === '57014')) throw error;
    return `${table.name} is too large to be searched for copies within ${timeoutMs / 1000} s`;
  }
}

/** A comparison of bytes: a column's own collation may take others for equal, or not know how to search. */
function containsOne(column: string, texts: readonly string[]): string {
  const each = texts.map((text) => `strpos(${column}::text collate "C", ${quoteLiteral(text)}) > 0`);
  return each.length === 0 ? 'false' : each.join(' or ');
}

/** The files of one row, as it carries them. `null`: the table has no files column, or there is no such row. */
export async function filesOfRow(
  database: Database,
  table: JobTable,
  id: string,
): Promise<readonly string[] | null> {
  const column = table.roles.files;
  if (column === undefined) return null;
  const { rows } = await database.query<{ files: string | null }>(
    `select t.${quoteIdentifier(column.name)}::text as files from ${table.sql} t where ${idCondition(table, 't', [id])}`,
  );
  return rows[0] === undefined ? null : filesOf(rows[0].files, ['']);
}

/** Removes the rows that carry files with the text. */
export async function deleteRowsCarrying(
  database: Database,
  tableSql: string,
  filesColumn: string,
  text: string,
): Promise<void> {
  await database.query(`delete from ${tableSql} where ${containsOne(quoteIdentifier(filesColumn), [text])}`);
}

/** The server's clock against ours, by the shortest of a few round trips. */
export async function measureClock(
  database: Database,
  wallClockNowMs: () => number,
): Promise<{ readonly offsetMs: number; readonly uncertaintyMs: number }> {
  let best = { offsetMs: 0, uncertaintyMs: Number.POSITIVE_INFINITY };
  for (let round = 0; round < 5; round += 1) {
    const before = wallClockNowMs();
    const { rows } = await database.query<{ ms: string }>(
      `select (extract(epoch from clock_timestamp()) * 1000)::text as ms`,
    );
    const after = wallClockNowMs();
    const uncertaintyMs = Math.ceil((after - before) / 2) + 1;
    const offsetMs = Math.round(Number(rows[0]?.ms ?? 0) - (before + after) / 2);
    if (uncertaintyMs < best.uncertaintyMs) best = { offsetMs, uncertaintyMs };
  }
  return best;
}

/**
 * The parameter takes the column's own type, so that the index is used.
 * @throws when the row is still there: a trigger or a rule of the table makes a mark of every deletion, say
 */
export async function deleteRow(
  database: Database,
  tableSql: string,
  idColumn: string,
  id: string,
): Promise<void> {
  const that = `from ${tableSql} where ${quoteIdentifier(idColumn)} = $1`;
  const { rowCount } = await database.query(`delete ${that}`, [id]);
  if (rowCount !== 0) return;
  const { rows } = await database.query(`select 1 ${that}`, [id]);
  if (rows.length > 0)
    throw new Error('the table kept it when it was deleted (a trigger or a rule of its own)');
}
