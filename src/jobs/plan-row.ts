/** What a test row is to contain, by what the table's columns really are. */
import type { ColumnRole, JobsSettings } from '../config/settings.ts';
import { environmentError } from '../core/errors.ts';
import type { Column } from './columns.ts';
import type { JobTable } from './table.ts';

export interface NewJob {
  readonly id: string;
  readonly files: readonly string[];
}

/** Retries that a test job may use up; as in the reference schema. */
const MAX_RETRIES = 3;

/** The values of a new row by column name, and the NOT NULL columns for which there is none. */
export interface PlannedRow {
  readonly values: ReadonlyMap<string, unknown>;
  readonly unfilled: readonly string[];
  /** created_at has neither a default nor a zone: in which zone the service would have written it is not known. */
  readonly createdAtGuessed: boolean;
}

export function planRow(table: JobTable, settings: JobsSettings, job: NewJob): PlannedRow {
  const values = new Map<string, unknown>();
  const roleOf = new Map<string, ColumnRole>();
  for (const [role, column] of Object.entries(table.roles)) roleOf.set(column.name, role as ColumnRole);

  for (const column of table.columns) {
    if (isGenerated(column)) continue;
    const role = roleOf.get(column.name);
    if (role !== 'id' && Object.hasOwn(settings.insert, column.name)) {
      values.set(column.name, bindable(column, settings.insert[column.name]));
      continue;
    }
    const value = role === undefined ? valueByName(column) : valueOfRole(role, column, settings, job);
    if (value !== undefined) values.set(column.name, value);
  }
  const unfilled = table.columns
    .filter(
      (column) =>
        !column.nullable && !column.hasDefault && column.generated === 'no' && !values.has(column.name),
    )
    .map((column) => column.name);
  const { createdAt } = table.roles;
  const createdAtGuessed =
    createdAt !== undefined &&
    values.has(createdAt.name) &&
    !Object.hasOwn(settings.insert, createdAt.name) &&
    !isZoned(createdAt);
  return { values, unfilled, createdAtGuessed };
}

/**
 * @throws UserError `columns-unfilled` naming the columns and the setting that fills them, `insert-unknown-column`,
 *   `insert-names-id`
 */
export function refuseUnfilled(table: JobTable, settings: JobsSettings, planned: PlannedRow): void {
  for (const name of Object.keys(settings.insert)) {
    const column = table.columns.find((candidate) => candidate.name === name);
    if (column === undefined || isGenerated(column)) {
      throw environmentError(
        'insert-unknown-column',
        `jobs.insert names "${name}", ${column === undefined ? `a column that ${table.name} does not have` : `a generated column of ${table.name}`}`,
        'correct the name in the config file, or leave it out',
      );
    }
    if (column === table.idColumn) {
      throw environmentError(
        'insert-names-id',
        `jobs.insert names "${name}", the id of the job`,
        'leave it out: the run makes the id',
      );
    }
  }
  if (planned.unfilled.length === 0) return;
  const names = planned.unfilled.map((name) => `"${name}"`).join(', ');
  const example = planned.unfilled.map((name) => `${propertyName(name)}: …`).join(', ');
  throw environmentError(
    'columns-unfilled',
    `${table.name} requires values for ${names}, which no role fills`,
    `give them in the config file: jobs: { insert: { ${example} } }`,
  );
}

function propertyName(name: string): string {
  return /^[a-z_$][\w$]*$/i.test(name) ? name : JSON.stringify(name);
}

function isGenerated(column: Column): boolean {
  return column.generated === 'stored' || column.generated === 'virtual';
}

function isText(column: Column): boolean {
  return /(?:^|\.)(?:text|character varying|bpchar|citext)$/.test(column.type);
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
      return isJson(column) || isText(column) ? '{}' : undefined;
    case 'maxRetries':
      // Every other job has what the table gives it.
      return column.hasDefault ? undefined : MAX_RETRIES;
    case 'progress':
    case 'retryCount':
    case 'attempts':
      return 0;
    case 'createdAt':
      return column.hasDefault ? undefined : now(column);
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

/** As the table itself spells it, where it says so: `PENDING` for an enum or a check that has it so. */
function initialStatus(column: Column, settings: JobsSettings): string {
  const names = settings.statuses.pending;
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const spelt = [...column.labels, ...(column.defaultExpression?.match(/(?<=^')[^']*(?=')/) ?? [])];
  return spelt.find((label) => wanted.has(label.toLowerCase())) ?? names[0] ?? 'pending';
}

function listValue(column: Column, files: readonly string[]): unknown {
  if (/^jsonb?\[\]$/.test(column.type)) return files.map((file) => JSON.stringify(file));
  if (column.type.endsWith('[]')) return files;
  return JSON.stringify(files);
}

function isZoned(column: Column): boolean {
  return column.type === 'timestamp with time zone';
}

/**
 * By the server's clock where the column has a zone. Else in UTC, which is what a column without one holds by the usage
 * of most frameworks. A number could be seconds or milliseconds: that is for the user to say.
 */
function now(column: Column): string | undefined {
  if (isZoned(column)) return 'now';
  return /^(?:timestamp|date)/.test(column.type) || isText(column) ? new Date().toISOString() : undefined;
}

/** Columns that no role names but that the reference schema and most of its kin have. */
function valueByName(column: Column): unknown {
  if (column.hasDefault) return undefined;
  if (column.name === 'extraction_format') {
    return column.labels.find((label) => label.toLowerCase() === 'bulk') ?? 'bulk';
  }
  if (column.nullable) return undefined;
  if (/^(?:updated|modified)_at$/.test(column.name)) return now(column);
  return column.name === 'user_id' && isText(column) ? 'verify-restart' : undefined;
}

function bindable(column: Column, value: unknown): unknown {
  return isJson(column) ? JSON.stringify(value) : value;
}
