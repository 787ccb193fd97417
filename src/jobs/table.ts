/** What the job table really looks like: its columns, their types, and which role each plays. */
import type { ColumnMapping, ColumnRole, JobsSettings } from '../config/settings.ts';
import { environmentError } from '../core/errors.ts';
import { readColumns, type Column } from './columns.ts';
import type { Database } from './database.ts';
import { quoteIdentifier, quoteTable } from './quote.ts';

export interface JobTable {
  /** As the user named it. */
  readonly name: string;
  /** Quoted, with its schema, for SQL: the same table whatever the search path. */
  readonly sql: string;
  readonly columns: readonly Column[];
  /** Roles whose column the table has. */
  readonly roles: Readonly<Partial<Record<ColumnRole, Column>>>;
  readonly idColumn: Column;
  readonly statusColumn: Column;
  /** `r` table, `p` partitioned, `v` view, … (pg_class.relkind) */
  readonly relationKind: string;
}

interface Relation {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
}

/**
 * @throws UserError `environment`: `table-missing` (with the migration command that would make it), `table-privileges`,
 *   `column-missing`, `column-type`
 */
export async function inspectTable(
  database: Database,
  settings: JobsSettings,
  migrationHint: string | null,
): Promise<JobTable> {
  const relation = await findRelation(database, settings.table);
  if (relation === undefined) {
    throw environmentError(
      'table-missing',
      `the job table ${settings.table} does not exist in ${database.address}`,
      migrationHint ?? 'run your migrations, or name another with --table <schema.table>',
    );
  }
  const columns = await readColumns(database, relation.oid);
  const roles = assignRoles(columns, settings);
  const { id, status } = roles;
  if (id === undefined || status === undefined) {
    const missing = id === undefined ? 'id' : 'status';
    throw missingColumn(settings, missing, columns);
  }
  return {
    name: settings.table,
    sql: `${quoteIdentifier(relation.schema)}.${quoteIdentifier(relation.name)}`,
    columns,
    roles,
    idColumn: id,
    statusColumn: status,
    relationKind: relation.kind,
  };
}

async function findRelation(database: Database, name: string): Promise<Relation | undefined> {
  try {
    const { rows } = await database.query<Relation>(
      `select c.oid::text, n.nspname as schema, c.relname as name, c.relkind::text as kind
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.oid = to_regclass($1)`,
      [quoteTable(name)],
    );
    return rows[0];
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    // Not a name of this database at all (too many parts, say) is as good as not there.
    if (code === '42601' || code === '42602' || code === '0A000') return undefined;
    if (code !== '42501') throw error;
    throw environmentError(
      'table-privileges',
      `the database user may not look into the schema of ${name}`,
      `grant usage on the schema to the user in the database URL`,
      error,
    );
  }
}

function assignRoles(columns: readonly Column[], settings: JobsSettings): JobTable['roles'] {
  const roles: Partial<Record<ColumnRole, Column>> = {};
  for (const [role, name] of Object.entries(settings.columns) as [ColumnRole, ColumnMapping[ColumnRole]][]) {
    if (name === null) continue;
    const column = columns.find((candidate) => candidate.name === name);
    if (column !== undefined) {
      // A column that happens to have the name that is usual for a role need not play it.
      if (!COUNTS.includes(role) || holdsNumbers(column)) roles[role] = column;
      else if (settings.namedColumns.includes(role)) throw noNumber(settings, role, column);
    } else if (settings.namedColumns.includes(role)) throw missingColumn(settings, role, columns);
  }
  return roles;
}

const COUNTS: readonly ColumnRole[] = ['progress', 'retryCount', 'maxRetries', 'attempts'];

/** … or text, which may be made of digits. */
function holdsNumbers({ type }: Column): boolean {
  return !/^(?:json|jsonb|hstore|xml|boolean|bytea|uuid|date|interval|timestamp.*)$|\[\]$/.test(type);
}

function noNumber(settings: JobsSettings, role: ColumnRole, column: Column): Error {
  return environmentError(
    'column-type',
    `the column "${column.name}" of ${settings.table}, named for the role ${role}, is ${column.declaredType}: it holds no number`,
    `name a column of numbers in the config file: jobs: { columns: { ${role}: '…' } }, or null if there is none`,
  );
}

function missingColumn(settings: JobsSettings, role: ColumnRole, columns: readonly Column[]): Error {
  const name = settings.columns[role] ?? role;
  return environmentError(
    'column-missing',
    `the table ${settings.table} has no column "${name}" for the role ${role}; it has ${columns.map((column) => column.name).join(', ')}`,
    `name the right column in the config file: jobs: { columns: { ${role}: '…' } }${role === 'id' || role === 'status' ? '' : ', or null if there is none'}`,
  );
}
