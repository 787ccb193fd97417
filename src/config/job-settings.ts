/** Settings of the job table. */
import { usageError } from '../core/errors.ts';
import { DEFAULTS, DEFAULT_COLUMNS, DEFAULT_STATUSES } from './defaults.ts';
import { fromConfig, fromFlag, read } from './given.ts';
import type { Sources } from './given.ts';
import { COLUMN_ROLES } from './settings.ts';
import type { ColumnMapping, JobsSettings, StatusMapping } from './settings.ts';

/** Without these the row cannot be found or its state told; every other role a table may lack. */
const INDISPENSABLE = ['id', 'status'] as const;

/** @throws UserError `invalid-table`, `indispensable-column`, `ambiguous-status`. */
export function jobSettings(sources: Sources): JobsSettings {
  const jobs = sources.config.jobs ?? {};
  const table =
    fromFlag(sources, '--table', sources.flags.table) ?? fromConfig(sources, 'jobs.table', jobs.table);
  const columns: ColumnMapping = { ...DEFAULT_COLUMNS, ...defined(jobs.columns ?? {}) };
  for (const role of INDISPENSABLE) {
    if (columns[role] === null) {
      throw usageError(
        'indispensable-column',
        `jobs.columns.${role} in ${sources.configName} is null, and no job can be observed without it`,
        `name the column of the table that holds the job's ${role}`,
      );
    }
  }
  const statuses: StatusMapping = { ...DEFAULT_STATUSES, ...defined(jobs.statuses ?? {}) };
  return {
    table: read(table, parseTable, DEFAULTS.table),
    columns,
    namedColumns: COLUMN_ROLES.filter((role) => typeof jobs.columns?.[role] === 'string'),
    statuses:
      jobs.statuses === undefined ? statuses : unambiguous(statuses, sources, Object.keys(jobs.statuses)),
    insert: jobs.insert ?? {},
    archive: read(fromConfig(sources, 'jobs.archive', jobs.archive), parseTable, null),
  };
}

function parseTable(text: string, option: string): string {
  const table = text.trim();
  if (table !== '') return table;
  throw usageError('invalid-table', `${option} is empty`, 'give the job table as schema.table');
}

/**
 * A status can mean one thing only. A default gives way to what the user says of the same word: whoever maps
 * `retrying` to pending need not know that it is processing by default.
 */
function unambiguous(statuses: StatusMapping, sources: Sources, named: readonly string[]): StatusMapping {
  const owner = new Map<string, string>();
  for (const [state, words] of Object.entries(statuses)) {
    if (!named.includes(state)) continue;
    for (const word of words) {
      const other = owner.get(word.toLowerCase());
      if (other !== undefined && other !== state) {
        throw usageError(
          'ambiguous-status',
          `jobs.statuses in ${sources.configName} has ${JSON.stringify(word)} under ${other} and under ${state}`,
          'put each status of the table under one state',
        );
      }
      owner.set(word.toLowerCase(), state);
    }
  }
  const keep = (state: keyof StatusMapping): readonly string[] =>
    named.includes(state)
      ? statuses[state]
      : statuses[state].filter((word) => !owner.has(word.toLowerCase()));
  return {
    pending: keep('pending'),
    processing: keep('processing'),
    completed: keep('completed'),
    failed: keep('failed'),
    cancelled: keep('cancelled'),
  };
}

/** Without the keys whose value is `undefined`, so that they do not cover a default. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
