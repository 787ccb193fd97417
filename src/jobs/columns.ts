/** A table's columns as they are in the catalogue. */
import type { Database } from './database.ts';

export interface Column {
  readonly name: string;
  /** The type under any domain, without length: `uuid`, `jsonb`, `timestamp with time zone`, `text[]`, an enum's name. */
  readonly type: string;
  /** As it was declared: a domain's name, and with its length. */
  readonly declaredType: string;
  /** The longest text that it takes; `null`: any. */
  readonly maxLength: number | null;
  readonly nullable: boolean;
  readonly hasDefault: boolean;
  /** The default as an SQL expression; `null`: none, or the column is generated. */
  readonly defaultExpression: string | null;
  /** `identity-always`: takes no value without OVERRIDING; `stored`, `virtual`: generated columns, never written. */
  readonly generated: 'no' | 'identity' | 'identity-always' | 'stored' | 'virtual';
  /** The sequence behind a serial or identity column. */
  readonly sequence: string | null;
  /** The values that an enum has or a check constraint of this column alone names. */
  readonly labels: readonly string[];
}

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly declared_type: string;
  readonly max_length: number | null;
  readonly nullable: boolean;
  readonly has_default: boolean;
  readonly default_expression: string | null;
  readonly identity: string;
  readonly generated: string;
  readonly sequence: string | null;
  readonly enum_labels: readonly string[] | null;
  readonly checks: string | null;
}

/** @param relation the table's oid */
export async function readColumns(database: Database, relation: string): Promise<readonly Column[]> {
  const { rows } = await database.query<ColumnRow>(COLUMNS_SQL, [relation]);
  return rows.map(toColumn);
}

/**
 * The type modifier −1 makes `format_type` name types that take no length: `bpchar`, not `character`, which as a cast
 * would cut to one character. A domain's constraints are the column's too.
 */
const COLUMNS_SQL = `
  with recursive base (attnum, type, modifier, not_null, has_default, constraints) as (
    select a.attnum, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef or a.attidentity <> '',
           (select string_agg(pg_get_constraintdef(k.oid), ' ') from pg_constraint k
             where k.conrelid = a.attrelid and k.contype = 'c' and k.conkey = array[a.attnum])
      from pg_attribute a
     where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
    union all
    select b.attnum, t.typbasetype, t.typtypmod, b.not_null or t.typnotnull, b.has_default or t.typdefault is not null,
           concat_ws(' ', b.constraints, (select string_agg(pg_get_constraintdef(k.oid), ' ') from pg_constraint k
                                           where k.contypid = t.oid))
      from base b join pg_type t on t.oid = b.type
     where t.typtype = 'd'
  )
  select a.attname as name,
         format_type(b.type, -1) as type,
         format_type(a.atttypid, a.atttypmod) as declared_type,
         case when b.type in ('varchar'::regtype, 'bpchar'::regtype) and b.modifier > 4 then b.modifier - 4 end as max_length,
         not b.not_null as nullable,
         b.has_default,
         case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end as default_expression,
         a.attidentity::text as identity,
         a.attgenerated::text as generated,
         pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) as sequence,
         (select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e where e.enumtypid = b.type) as enum_labels,
         b.constraints as checks
    from pg_attribute a
    join base b on b.attnum = a.attnum
    join pg_type t on t.oid = b.type and t.typtype <> 'd'
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
   where a.attrelid = $1::oid
   order by a.attnum`;

function toColumn(row: ColumnRow): Column {
  return {
    name: row.name,
    type: row.type,
    declaredType: row.declared_type,
    maxLength: row.max_length,
    nullable: row.nullable,
    hasDefault: row.has_default,
    defaultExpression: row.default_expression,
    generated: generationOf(row),
    sequence: row.sequence,
    labels: row.enum_labels ?? literalsIn(row.checks ?? ''),
  };
}

function generationOf(row: ColumnRow): Column['generated'] {
  if (row.generated === 'v') return 'virtual';
  if (row.generated !== '') return 'stored';
  if (row.identity === 'a') return 'identity-always';
  return row.identity === 'd' ? 'identity' : 'no';
}

function literalsIn(constraints: string): readonly string[] {
  return Array.from(constraints.matchAll(/'((?:[^']|'')*)'/g), ([, text]) =>
    (text ?? '').replaceAll("''", "'"),
  );
}
