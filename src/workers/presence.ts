/** Who is connected to the database and the broker, and which local process each connection belongs to. */
import { connectionOf } from '../core/attribution.ts';
import type { Connection } from '../core/event.ts';
import { OWN_APPLICATION_NAME, type Database } from '../jobs/database.ts';

/**
 * The client connections to this database, the harness's own left out. None can be seen without access to it. Of
 * another role's connections little is shown without pg_read_all_stats, not even that it is a client's: better to
 * count a stranger than to take a worker for gone.
 */
export async function databaseConnections(database: Database | null): Promise<readonly Connection[]> {
  if (database === null) return [];
  const { rows } = await database.query<{
    pid: number;
    start_ms: string | null;
    name: string | null;
    address: string | null;
    port: number | null;
  }>(
    `select pid, (extract(epoch from backend_start) * 1000)::bigint::text as start_ms, application_name as name,
            host(client_addr) as address, client_port as port
       from pg_stat_activity
      where datname = current_database() and usesysid is not null and pid <> pg_backend_pid()
        and coalesce(backend_type, 'client backend') = 'client backend'
        and coalesce(application_name, '') <> $1 and coalesce(application_name, '') not like $2`,
    [OWN_APPLICATION_NAME, `${OWN_APPLICATION_NAME} %`],
  );
  return rows.map((row) => ({
    id: connectionOf({
      backendPid: row.pid,
      backendStartMs: row.start_ms === null ? null : Number(row.start_ms),
    }),
    name: row.name ?? '',
    address: row.address,
    port: row.port !== null && row.port > 0 ? row.port : null,
    pid: null,
  }));
}
