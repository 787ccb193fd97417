/** Makes a job row out of what the table's columns really are. */
import { randomUUID } from 'node:crypto';
import type { ColumnRole, JobsSettings } from '../config/settings.ts';
import { environmentError } from '../core/errors.ts';
import type { Database } from './database.ts';
import { quoteIdentifier, type Column, type JobTable } from './table.ts';

export interface NewJob {
  readonly id: string;
  readonly files: readonly string[];
}

/** Retries that a test job may use up; as in the reference schema. */
const MAX_RETRIES = 3;

/**
 * An id for a row that is not inserted yet, so that observers can be set for it first.
 * @throws UserError `id-not-ours` where the column's values can be known neither by us nor by a sequence
 */
export async function reserveId(database: Database, table: JobTable): Promise<string> {
  const column = table.idColumn;
  if (column.type === 'uuid') return randomUUID();
  if (column.sequence !== null) {
    const { rows } = await database.query<{ id: string }>('select nextval($1::regclass)::text as id', [
      column.sequence,
    ]);
    const id = rows[0]?.id;
    if (id !== undefined) return id;
  }
  if (isText(column)) return randomUUID();
  if (/^(?:small|big)?int|^integer|^numeric/.test(column.type)) {
    const name = quoteIdentifier(column.name);
    const { rows } = await database.query<{ id: string }>(
      `select (coalesce(max(${name}), 0) + 1)::text as id from ${table.sql}`,
    );
    const id = rows[0]?.id;
    if (id !== undefined) return id;
  }
  throw environmentError(
    'id-not-ours',
    `the id column "${column.name}" of ${table.name} has the type ${column.type}, for which no id can be made`,
    'name another column with jobs: { columns: { id: … } } in the config file',
  );
}

/** The values of a new row by column name, and the NOT NULL columns for which there is none. */
export interface PlannedRow {
  readonly values: ReadonlyMap<string, unknown>;
  readonly unfilled: readonly string[];
}

export function planRow(table: JobTable, settings: JobsSettings, job: NewJob): PlannedRow {
  const values = new Map<string, unknown>();
  const roleOf = new Map<string, ColumnRole>();
  for (const [role, column] of Object.entries(table.roles)) roleOf.set(column.name, role as ColumnRole);

  for (const column of table.columns) {
    if (column.generated === 'stored') continue;
    if (Object.hasOwn(settings.insert, column.name)) {
      values.set(column.name, bindable(column, settings.insert[column.name]));
      continue;
    }
    const role = roleOf.get(column.name);
    const value = role === undefined ? undefined : valueOfRole(role, column, settings, job);
    if (value !== undefined) values.set(column.name, value);
    else if (role === undefined) fillByName(column, values);
  }
  const unfilled = table.columns
    .filter(
      (column) =>
        !column.nullable && !column.hasDefault && column.generated === 'no' && !values.has(column.name),
    )
    .map((column) => column.name);
  return { values, unfilled };
}

/** @throws UserError `columns-unfilled` naming the columns and the setting that fills them */
export function refuseUnfilled(table: JobTable, planned: PlannedRow): void {
  if (planned.unfilled.length === 0) return;
  const names = planned.unfilled.map((name) => `"${name}"`).join(', ');
  const example = planned.unfilled.map((name) => `${name}: …`).join(', ');
  throw environmentError(
    'columns-unfilled',
    `${table.name} requires values for ${names}, which no role fills`,
    `give them in the config file: jobs: { insert: { ${example} } }`,
  );
}

/**
 * Inserts the row.
 * @throws UserError `insert-refused` when a constraint, a trigger or a missing privilege of the table refuses it
 */
export async function insertJob(database: Database, table: JobTable, planned: PlannedRow): Promise<void> {
  const names = [...planned.values.keys()];
  const override = table.columns.some(
    (column) => column.generated === 'identity-always' && planned.values.has(column.name),
  );
  const placeholders = names.map((name, index) => {
    const column = table.columns.find((candidate) => candidate.name === name);
    return `$${index + 1}::${column === undefined ? 'text' : column.type}`;
  });
  const statement = `insert into ${table.sql} (${names.map(quoteIdentifier).join(', ')})${override ? ' overriding system value' : ''} values (${placeholders.join(', ')})`;
  try {
    await database.query(statement, [...planned.values.values()]);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw environmentError(
      'insert-refused',
      `${table.name} refused the test row: ${message}`,
      'give the columns the values they need in the config file: jobs: { insert: { … } }',
      error,
    );
  }
}

function isText(column: Column): boolean {
  return /^(?:text|character varying|character|citext)$/.test(column.type);
}

function isJson(column: Column): boolean {
  return column.type === 'json' || column.type === 'jsonb';
}

function valueOfRole(role: ColumnRole, column: Column, settings: JobsSettings, job: NewJob): unknown {
  switch (role) {
    case 'id':
      return job.id;
    case 'status':
      return initialStatus(column, settings);
    case 'files':
      return listValue(column, job.files);
    case 'options':
      return column.nullable || column.hasDefault
        ? optionsValue(column)
        : (optionsValue(column) ?? undefined);
    case 'maxRetries':
      return MAX_RETRIES;
    case 'progress':
    case 'retryCount':
    case 'attempts':
      return 0;
    case 'createdAt':
      return column.hasDefault ? undefined : new Date();
    case 'taskId':
    case 'startedAt':
    case 'completedAt':
    case 'lastRetryAt':
    case 'error':
    case 'results':
    case 'owner':
    case 'leaseUntil':
    case 'heartbeatAt':
      return undefined;
  }
}

/** An enum's own label for pending, so that `PENDING` fits an enum and `pending` a text column. */
function initialStatus(column: Column, settings: JobsSettings): string {
  const names = settings.statuses.pending;
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  return column.enumLabels.find((label) => wanted.has(label.toLowerCase())) ?? names[0] ?? 'pending';
}

function listValue(column: Column, files: readonly string[]): unknown {
  if (column.type.endsWith('[]')) return files;
  return JSON.stringify(files);
}

function optionsValue(column: Column): unknown {
  return isJson(column) || isText(column) ? '{}' : undefined;
}

/** Columns that no role names but that the reference schema and most of its kin have. */
function fillByName(column: Column, values: Map<string, unknown>): void {
  if (column.nullable && column.name !== 'extraction_format') return;
  if (column.hasDefault) return;
  if (column.name === 'extraction_format') values.set(column.name, 'bulk');
  else if (/^(?:updated|modified)_at$/.test(column.name)) values.set(column.name, new Date());
  else if (column.name === 'user_id' && isText(column)) values.set(column.name, 'verify-restart');
}

function bindable(column: Column, value: unknown): unknown {
  if (isJson(column)) return JSON.stringify(value);
  return value;
}
