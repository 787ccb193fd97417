/** What the database lets us do and see, found out before anything is written. */
import { environmentError } from '../core/errors.ts';
import type { Database } from './database.ts';
import type { JobTable } from './table.ts';

/** Something that a run can do without, as a sentence. */
export interface Shortcoming {
  readonly check: 'pooler' | 'hold' | 'row-security' | 'connections';
  readonly text: string;
  readonly remedy?: string;
}

interface Facts {
  readonly missing: readonly string[];
  readonly read_only: boolean;
  readonly standby: boolean;
  readonly row_security: boolean;
  readonly hidden: number;
}

/**
 * @throws UserError `environment`: `database-read-only`, `table-privileges`: without these nothing can be verified
 */
export async function examineDatabase(database: Database, table: JobTable): Promise<readonly Shortcoming[]> {
  const { rows } = await database.query<Facts>(FACTS_SQL, [
    table.sql,
    ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  ]);
  const [facts] = rows;
  if (facts === undefined) return [];
  refuse(database, table, facts);
  const shortcomings: Shortcoming[] = [];
  if (database.pooled) {
    shortcomings.push({
      check: 'pooler',
      text: 'a connection pooler stands in between: connections do not tell which worker writes',
      remedy: "name the server's own port in --database-url if you can",
    });
  }
  if (facts.missing.includes('UPDATE')) {
    shortcomings.push({
      check: 'hold',
      text: `without UPDATE on ${table.name} the job cannot be held for a person`,
    });
  }
  if (facts.row_security) {
    shortcomings.push({
      check: 'row-security',
      text: `row-level security of ${table.name} applies to this user: copies of the job that it hides are not seen`,
      remedy: 'use the owner of the table or a user with BYPASSRLS in the database URL',
    });
  }
  if (facts.hidden > 0) {
    shortcomings.push({
      check: 'connections',
      text: `the connections of other database users are hidden from this one (${facts.hidden} now): their process and age are not known`,
      remedy: 'grant pg_read_all_stats to the user in the database URL, or use the user of the worker',
    });
  }
  return shortcomings;
}

/** Privileges on all columns count as well as those on the table. */
const FACTS_SQL = `
  select array(select p from unnest($2::text[]) p
                where not has_table_privilege($1, p)
                  and (p = 'DELETE' or not has_any_column_privilege($1, p))) as missing,
         current_setting('transaction_read_only') = 'on' as read_only,
         pg_is_in_recovery() as standby,
         row_security_active($1) as row_security,
         (select count(*)::integer from pg_stat_activity
           where datname = current_database() and usesysid is not null and backend_type is null) as hidden`;

function refuse(database: Database, table: JobTable, facts: Facts): void {
  if (facts.standby) {
    throw environmentError(
      'database-read-only',
      `PostgreSQL at ${database.address} is a standby, which takes no writes`,
      'name the primary server in --database-url (DATABASE_URL)',
    );
  }
  if (facts.read_only) {
    throw environmentError(
      'database-read-only',
      `PostgreSQL at ${database.address} lets this user read only (default_transaction_read_only is on)`,
      'use a user that may write in --database-url (DATABASE_URL)',
    );
  }
  const needed = facts.missing.filter((privilege) => privilege !== 'UPDATE');
  if (needed.length > 0) {
    throw environmentError(
      'table-privileges',
      `the database user lacks ${needed.join(', ')} on ${table.name}`,
      `grant select, insert, update, delete on ${table.name} to the user in the database URL`,
    );
  }
}
