/** Step 1: is everything there that a run needs? Nothing is written before all of it is. */
import { environmentError } from '../core/errors.ts';
import type { Connection } from '../core/event.ts';
import { migrationHint } from './migration-hint.ts';
import { openDatabase, type Database } from '../jobs/database.ts';
import { planRow, refuseUnfilled } from '../jobs/insert.ts';
import { measureClock } from '../jobs/read-rows.ts';
import { inspectTable, type JobTable } from '../jobs/table.ts';
import { openQueue } from '../queues/index.ts';
import type { Queue } from '../queues/queue.ts';
import { describeUrl } from '../config/server-address.ts';
import { record, type Connected, type RunContext } from './context.ts';
import { describeConnections, withProcesses } from './holders.ts';

/** Everything that was opened is given to `onOpened` at once, so that the clean-up can close it whatever comes next. */
export async function preflight(
  run: RunContext,
  databaseUrl: string,
  onOpened: (opened: { database?: Database; queue?: Queue; table?: JobTable }) => void,
): Promise<Connected> {
  const database = await openDatabase(databaseUrl, describeUrl(databaseUrl));
  onOpened({ database });
  const table = await checkDatabase(run, database);
  onOpened({ table });
  const pooled = await isPooled(databaseUrl, database);
  if (pooled) {
    record(run, {
      kind: 'preflight:checked',
      check: 'pooler',
      status: 'warning',
      text: 'a connection pooler stands in between: connections do not tell which worker writes',
      remedy: "name the server's own port in --database-url if you can",
    });
  }
  const queue = await openQueue(run.settings.queue, {
    databaseUrl,
    clock: { now: clockOf(run) },
    jobs: { database, table, statuses: run.settings.jobs.statuses },
  });
  onOpened({ queue });
  const connected = { ...run, database, table, queue, pooled };
  await checkQueue(connected);
  await checkConsumers(connected);
  return connected;
}

function clockOf(run: RunContext): () => number {
  return () => run.recorder.now();
}

async function checkDatabase(run: RunContext, database: Database): Promise<JobTable> {
  const { rows } = await database.query<{ version: string }>(
    `select current_setting('server_version') as version`,
  );
  const clock = await measureClock(database, () => run.recorder.wallClockMs());
  record(run, { kind: 'clock:measured', ...clock });
  const table = await inspectTable(database, run.settings.jobs, await migrationHint(process.cwd()));
  const unknown = Object.entries(run.settings.jobs.columns)
    .filter(([role, name]) => name !== null && !Object.hasOwn(table.roles, role))
    .map(([, name]) => name);
  const columns = unknown.length === 0 ? 'all columns known' : `without ${unknown.join(', ')}`;
  const version = rows[0]?.version.split(' ')[0] ?? '';
  record(run, {
    kind: 'preflight:checked',
    check: 'database',
    status: 'ok',
    text: `PostgreSQL ${version} at ${database.address}`,
  });
  record(run, {
    kind: 'preflight:checked',
    check: 'table',
    status: 'ok',
    text: `table ${table.name} found, ${columns}`,
  });
  await checkPrivileges(run, database, table);
  refuseUnfilled(table, planRow(table, run.settings.jobs, { id: '', files: [] }));
  return table;
}

async function checkPrivileges(run: RunContext, database: Database, table: JobTable): Promise<void> {
  const wanted = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;
  const { rows } = await database.query<{ privilege: string; granted: boolean }>(
    `select p as privilege, has_table_privilege($1, p) as granted from unnest($2::text[]) p`,
    [table.sql, wanted],
  );
  const missing = rows.filter((row) => !row.granted).map((row) => row.privilege);
  if (missing.includes('SELECT') || missing.includes('INSERT') || missing.includes('DELETE')) {
    throw environmentError(
      'table-privileges',
      `the database user lacks ${missing.join(', ')} on ${table.name}`,
      `grant select, insert, update, delete on ${table.name} to the user in the database URL`,
    );
  }
  if (missing.includes('UPDATE')) {
    record(run, {
      kind: 'preflight:checked',
      check: 'hold',
      status: 'warning',
      text: `without UPDATE on ${table.name} the job cannot be held for a person`,
    });
  }
}

/**
 * A pooler hands the same server connection to one client after the other. So: two connections of ours, one after the
 * other, that reach the same backend prove one; a direct server starts a backend for each.
 */
async function isPooled(url: string, database: Database): Promise<boolean> {
  const backends: string[] = [];
  for (let round = 0; round < 2; round += 1) {
    const probe = await openDatabase(url, database.address);
    const { rows } = await probe.query<{ backend: string }>(
      `select pid || '@' || coalesce(backend_start::text, '') as backend from pg_stat_activity where pid = pg_backend_pid()`,
    );
    backends.push(rows[0]?.backend ?? `unknown ${round}`);
    await probe[Symbol.asyncDispose]();
  }
  return backends[0] === backends[1];
}

async function checkQueue(run: Connected): Promise<void> {
  const info = await run.queue.ping();
  record(run, {
    kind: 'preflight:checked',
    check: 'queue',
    status: 'ok',
    text: `queue ${run.queue.queueName} reachable (${info.server} at ${info.address})`,
  });
  for (const warning of info.warnings) {
    record(run, { kind: 'preflight:checked', check: 'queue', status: 'warning', text: warning });
  }
}

/**
 * Who consumes the queue now. In `--auto-restart` mode it must be nobody: another consumer would take the job, and its
 * recovery would be mistaken for the worker's. Where a person restarts the worker, it must be somebody.
 */
async function checkConsumers(run: Connected): Promise<void> {
  const consumers = await run.queue.consumers();
  const own = run.settings.autoRestart && run.settings.worker.command !== null;
  if (consumers === null) {
    const likely = await withProcesses(run, (await run.queue.likelyConsumers?.()) ?? [], 'database');
    const seen =
      likely.connections.length > 0 ? `; these look like workers: ${describeConnections(likely)}` : '';
    record(run, {
      kind: 'preflight:checked',
      check: 'consumers',
      status: own || seen === '' ? 'warning' : 'ok',
      text: own
        ? `this queue does not tell who consumes it: make sure that no other worker does${seen}`
        : `this queue does not tell who consumes it${seen}`,
    });
    return;
  }
  const named = await withProcesses(run, consumers, 'broker');
  record(run, { kind: 'presence:snapshot', reason: 'preflight', database: [], broker: named.connections });
  if (own && consumers.length > 0) throw otherConsumers(run, named);
  if (!own && consumers.length === 0) {
    throw environmentError(
      'no-worker',
      `no worker is connected to the queue ${run.queue.queueName}`,
      'start your worker first and leave it running, or let verify-restart run it: --auto-restart --worker "<command>"',
    );
  }
  const text = own
    ? 'nobody else consumes the queue'
    : `${consumers.length === 1 ? 'one worker is' : `${consumers.length} workers are`} connected: ${describeConnections(named)}`;
  record(run, { kind: 'preflight:checked', check: 'consumers', status: 'ok', text });
}

function otherConsumers(
  run: Connected,
  named: { readonly connections: readonly Connection[]; readonly commands: ReadonlyMap<number, string> },
): Error {
  return environmentError(
    'other-consumers',
    `the queue ${run.queue.queueName} already has consumers, which would take the job: ${describeConnections(named)}`,
    'stop them for the time of the run, or name a queue of its own with --queue-name',
  );
}
