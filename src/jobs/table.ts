/** What the job table really looks like: its columns, their types, and which role each plays. */
import type { Database } from './database.ts';
import type { ColumnMapping, ColumnRole, JobsSettings } from '../config/settings.ts';
import { environmentError } from '../core/errors.ts';

export interface Column {
  readonly name: string;
  /** As `format_type` shows it, without modifiers: `uuid`, `jsonb`, `timestamp with time zone`, `text[]`, an enum's name. */
  readonly type: string;
  /** `b` base, `e` enum, `d` domain, `c` composite, … (pg_type.typtype) */
  readonly typeKind: string;
  readonly nullable: boolean;
  readonly hasDefault: boolean;
  /** `always`: identity column that takes no value without OVERRIDING; `stored`: a generated column, never written. */
  readonly generated: 'no' | 'identity' | 'identity-always' | 'stored';
  /** The sequence behind a serial or identity column. */
  readonly sequence: string | null;
  readonly enumLabels: readonly string[];
}

export interface JobTable {
  /** As the user named it. */
  readonly name: string;
  /** Quoted, for SQL. */
  readonly sql: string;
  readonly columns: readonly Column[];
  /** Roles whose column the table has. */
  readonly roles: Readonly<Partial<Record<ColumnRole, Column>>>;
  readonly idColumn: Column;
  readonly statusColumn: Column;
  /** `r` table, `p` partitioned, `v` view, … (pg_class.relkind) */
  readonly relationKind: string;
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? ` E${quoted}` : quoted;
}

/** `schema.table` or `table`, each part plain or quoted. */
export function quoteTable(name: string): string {
  const parts = name.match(/"(?:[^"]|"")+"|[^."]+/g) ?? [name];
  return parts.map((part) => (part.startsWith('"') ? part : quoteIdentifier(part))).join('.');
}

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly type_kind: string;
  readonly nullable: boolean;
  readonly has_default: boolean;
  readonly identity: string;
  readonly generated: string;
  readonly sequence: string | null;
  readonly labels: readonly string[] | null;
}

/**
 * @throws UserError `environment`: `table-missing` (with the migration command that would make it), `column-missing`
 */
export async function inspectTable(
  database: Database,
  settings: JobsSettings,
  migrationHint: string | null,
): Promise<JobTable> {
  const sql = quoteTable(settings.table);
  const relation = await database.query<{ oid: string | null; kind: string | null }>(
    `select c.oid::text as oid, c.relkind::text as kind from (select to_regclass($1) as oid) r left join pg_class c on c.oid = r.oid`,
    [sql],
  );
  const found = relation.rows[0];
  if (found?.oid == null) {
    throw environmentError(
      'table-missing',
      `the job table ${settings.table} does not exist in ${database.address}`,
      migrationHint ?? 'run your migrations, or name another with --table <schema.table>',
    );
  }
  const { rows } = await database.query<ColumnRow>(COLUMNS_SQL, [found.oid]);
  const columns = rows.map(toColumn);
  const roles = assignRoles(columns, settings);
  const { id, status } = roles;
  if (id === undefined || status === undefined) {
    const missing = id === undefined ? 'id' : 'status';
    throw missingColumn(settings, missing, columns);
  }
  return {
    name: settings.table,
    sql,
    columns,
    roles,
    idColumn: id,
    statusColumn: status,
    relationKind: found.kind ?? 'r',
  };
}

const COLUMNS_SQL = `
  select a.attname as name,
         format_type(a.atttypid, null) as type,
         t.typtype::text as type_kind,
         not a.attnotnull as nullable,
         a.atthasdef or a.attidentity <> '' as has_default,
         a.attidentity::text as identity,
         a.attgenerated::text as generated,
         pg_get_serial_sequence(c.oid::regclass::text, a.attname) as sequence,
         (select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e where e.enumtypid = a.atttypid) as labels
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join pg_type t on t.oid = a.atttypid
   where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
   order by a.attnum`;

function toColumn(row: ColumnRow): Column {
  const generatedKinds: Readonly<Record<string, Column['generated']>> = {
    a: 'identity-always',
    d: 'identity',
  };
  return {
    name: row.name,
    type: row.type,
    typeKind: row.type_kind,
    nullable: row.nullable,
    hasDefault: row.has_default,
    generated: row.generated === '' ? (generatedKinds[row.identity] ?? 'no') : 'stored',
    sequence: row.sequence,
    enumLabels: row.labels ?? [],
  };
}

function assignRoles(columns: readonly Column[], settings: JobsSettings): JobTable['roles'] {
  const roles: Partial<Record<ColumnRole, Column>> = {};
  for (const [role, name] of Object.entries(settings.columns) as [ColumnRole, ColumnMapping[ColumnRole]][]) {
    if (name === null) continue;
    const column = columns.find((candidate) => candidate.name === name);
    if (column !== undefined) roles[role] = column;
    else if (settings.namedColumns.includes(role)) throw missingColumn(settings, role, columns);
  }
  return roles;
}

function missingColumn(settings: JobsSettings, role: ColumnRole, columns: readonly Column[]): Error {
  const name = settings.columns[role] ?? role;
  return environmentError(
    'column-missing',
    `the table ${settings.table} has no column "${name}" for the role ${role}; it has ${columns.map((column) => column.name).join(', ')}`,
    `name the right column in the config file: jobs: { columns: { ${role}: '…' } }${role === 'id' || role === 'status' ? '' : ', or null if there is none'}`,
  );
}
