/** Step 1: is everything there that a run needs? Nothing is written before all of it is. */
import { environmentError } from '../core/errors.ts';
import type { Connection } from '../core/event.ts';
import { migrationHint } from './migration-hint.ts';
import { openDatabase, type Database } from '../jobs/database.ts';
import { examineDatabase } from '../jobs/examine.ts';
import { planRow, refuseUnfilled } from '../jobs/plan-row.ts';
import { measureClock } from '../jobs/read-rows.ts';
import { inspectTable, type JobTable } from '../jobs/table.ts';
import { openQueue } from '../queues/index.ts';
import type { Queue, QueueContext } from '../queues/queue.ts';
import { describeUrl } from '../config/server-address.ts';
import { record, type Connected, type RunContext } from './context.ts';
import { describeConnections, withProcesses } from './holders.ts';

/** Everything that was opened is given to `onOpened` at once, so that the clean-up can close it whatever comes next. */
export async function preflight(
  run: RunContext,
  databaseUrl: string | null,
  onOpened: (opened: { database?: Database; queue?: Queue; table?: JobTable }) => void,
): Promise<Connected> {
  const inDatabase =
    databaseUrl === null ? withoutDatabase(run) : await openJobTable(run, databaseUrl, onOpened);
  const queue = await openQueue(run.settings.queue, {
    databaseUrl,
    clock: { now: clockOf(run) },
    onSecret: run.onSecret,
    ...jobsOf(run, inDatabase),
  });
  onOpened({ queue });
  const connected = { ...run, ...inDatabase, queue };
  await checkQueue(connected);
  await checkConsumers(connected);
  return connected;
}

type InDatabase = Pick<Connected, 'database' | 'table' | 'archive' | 'pooled'>;

async function openJobTable(
  run: RunContext,
  databaseUrl: string,
  onOpened: (opened: { database?: Database; table?: JobTable }) => void,
): Promise<InDatabase> {
  const database = await openDatabase(databaseUrl, describeUrl(databaseUrl));
  onOpened({ database });
  const table = await checkDatabase(run, database);
  onOpened({ table });
  return { database, table, archive: await checkArchive(run, database), pooled: database.pooled };
}

async function checkArchive(run: RunContext, database: Database): Promise<JobTable | null> {
  const { jobs } = run.settings;
  if (jobs.archive === null) return null;
  const archive = await inspectTable(database, { ...jobs, table: jobs.archive, namedColumns: [] }, null);
  const text = `jobs that have ended are looked for in ${archive.name} too`;
  record(run, { kind: 'preflight:checked', check: 'archive', status: 'ok', text });
  return archive;
}

/** For a table that is its own queue. */
function jobsOf(run: RunContext, { database, table }: InDatabase): Pick<QueueContext, 'jobs'> {
  if (database === null || table === null) return {};
  return { jobs: { database, table, statuses: run.settings.jobs.statuses } };
}

/** The job is then seen through the API alone, and the report says what that cannot show. */
function withoutDatabase(run: RunContext): InDatabase {
  record(run, {
    kind: 'preflight:checked',
    check: 'database',
    status: 'warning',
    text: 'no database: the job is followed through the API, which shows states and not each change, and not who made it',
    remedy: 'set DATABASE_URL to see every change',
  });
  return { database: null, table: null, archive: null, pooled: false };
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
  for (const shortcoming of await examineDatabase(database, table)) {
    record(run, { kind: 'preflight:checked', status: 'warning', ...shortcoming });
  }
  const { jobs, queue } = run.settings;
  // Where the service makes the row itself, it knows what goes into it.
  if (queue.http === undefined) refuseUnfilled(table, jobs, planRow(table, jobs, { id: '', files: [] }));
  return table;
}

async function checkQueue(run: Connected): Promise<void> {
  const info = await run.queue.ping();
  record(run, {
    kind: 'preflight:checked',
    check: 'queue',
    status: 'ok',
    text: `queue ${run.queue.queueName} at ${info.address} (${info.server})`,
  });
  for (const warning of info.warnings) {
    record(run, { kind: 'preflight:checked', check: 'queue', status: 'warning', text: warning });
  }
  if (run.queue.api !== undefined) {
    record(run, {
      kind: 'broker:hidden',
      reason: 'jobs are submitted through an API, which does not show the queue behind it',
    });
  }
  for (const check of (await run.queue.checks?.()) ?? []) {
    record(run, { kind: 'preflight:checked', ...check });
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
  if (!own) await checkWorkers(run);
}

/** What the connected workers say of themselves, where the queue can ask them. */
export async function checkWorkers(run: Connected): Promise<void> {
  for (const check of (await run.queue.workerChecks?.()) ?? []) {
    record(run, { kind: 'preflight:checked', ...check });
  }
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
