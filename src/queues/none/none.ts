/**
 * No queue beside the table: the job table is the queue, the most common home-made design. A row is claimed by its
 * status, with a lease or a heartbeat beside it, or by a transaction that is held for the whole job.
 *
 * All that is asked comes from the row and from who holds it, by plain reads. Who holds it is told by the row's xmax:
 * row locks are in no view, and a lock probe would hide the row from workers that skip locked ones for just as long.
 * xmax stays after its transaction has ended: only the locks that living transactions have on themselves tell.
 * What it cannot see: a row that several transactions lock at once (its xmax then names none of them), and when a job
 * is due whose worker keeps a heartbeat and no lease: after how long a silence it is taken for dead is not in the row.
 */
import type { StatusMapping } from '../../config/settings.ts';
import { isTerminal, type BrokerState, type Connection, type Due, type RowValues } from '../../core/event.ts';
import { usageError } from '../../core/errors.ts';
import { OWN_APPLICATION_NAME, type Database } from '../../jobs/database.ts';
import { quoteIdentifier } from '../../jobs/quote.ts';
import { idCondition, rowExpression, toRowValues } from '../../jobs/row.ts';
import type { JobTable } from '../../jobs/table.ts';
import { databaseConnections } from '../../workers/presence.ts';
import type { Queue, QueueContext } from '../queue.ts';

/** @throws UserError `usage` when it is opened without a job table */
export function openNone(context: QueueContext): Queue {
  const { jobs, clock } = context;
  if (jobs === undefined)
    throw usageError('no-job-table', '--queue none needs a job table', 'name it with --table');
  const look = (job: string): Promise<Look | null> =>
    lookAtRow(jobs.database, jobs.table, jobs.statuses, job);
  return {
    kind: 'none',
    title: 'the job table as its own queue',
    backend: null,
    queueName: jobs.table.name,
    async ping() {
      const { rows } = await jobs.database.query<{ version: string }>(
        `select current_setting('server_version') as version`,
      );
      const server = `PostgreSQL ${rows[0]?.version.split(' ')[0] ?? ''}`;
      return { server, address: jobs.database.address, warnings: [] };
    },
    // Whoever is connected to the database may take rows or not: the table does not tell.
    consumers: () => Promise.resolve(null),
    likelyConsumers: () => takersOf(jobs.database, jobs.table),
    // The row that was inserted is the message.
    submit: ({ job }) => Promise.resolve({ messageId: job, certainty: 'certain' }),
    inspect: async ({ job }) => toState(await look(job), clock.now()),
    async estimateRecovery({ job }) {
      const seen = await look(job);
      if (seen?.leaseLeftMs == null || isTerminal(seen.values.state)) return null;
      const atMostMs = Math.max(0, seen.leaseLeftMs);
      return { atMostMs, because: `the lease in the row ends in ${(atMostMs / 1000).toFixed(1)} s` };
    },
    purge: () => Promise.resolve(),
    absentKeys: () => Promise.resolve([]),
    removeKeys: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

interface Look {
  readonly values: RowValues;
  /** The client that holds the row in an open transaction. */
  readonly holder: string | null;
  /** Until the lease ends, by the server's clock; negative: it has ended. */
  readonly leaseLeftMs: number | null;
}

/**
 * Every transaction that has written holds a lock on its own number, and each of its subtransactions on its own: so a
 * row that was locked behind a savepoint is found too, which the number of the transaction alone would miss.
 */
const HOLDER_SQL = `
  select coalesce(nullif(a.application_name, ''), 'backend ' || a.pid)
    from pg_locks l join pg_stat_activity a on a.pid = l.pid
   where l.locktype = 'transactionid' and l.granted and l.mode = 'ExclusiveLock' and l.transactionid = t.xmax
     and coalesce(a.application_name, '') not like $1 limit 1`;

async function lookAtRow(
  database: Database,
  table: JobTable,
  statuses: StatusMapping,
  job: string,
): Promise<Look | null> {
  const { rows } = await database.query<{
    json: Record<string, unknown>;
    holder: string | null;
    lease_left_ms: string | null;
  }>(
    `select ${rowExpression(table, 't')} as json, ${leaseLeftExpression(table)} as lease_left_ms, (${HOLDER_SQL}) as holder
       from ${table.sql} t where ${idCondition(table, 't', [job])}`,
    [`${OWN_APPLICATION_NAME} %`],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    values: toRowValues(row.json, statuses),
    holder: row.holder,
    leaseLeftMs: row.lease_left_ms === null ? null : Number(row.lease_left_ms),
  };
}

/** A lease that is kept in another form than a timestamp (a number, an interval) is not understood: then none is known. */
function leaseLeftExpression(table: JobTable): string {
  const lease = table.roles.leaseUntil;
  if (lease === undefined || !lease.type.startsWith('timestamp')) return 'null';
  return `(extract(epoch from t.${quoteIdentifier(lease.name)}::timestamptz - clock_timestamp()) * 1000)::bigint::text`;
}

function toState(look: Look | null, nowMs: number): BrokerState {
  const blank = {
    owner: null,
    lockUntilMs: null,
    deliveries: null,
    stalls: null,
    failedReason: null,
    messages: null,
  };
  if (look === null) return { ...blank, state: 'gone', due: { kind: 'never' } };
  const { values, holder, leaseLeftMs } = look;
  const common = {
    ...blank,
    deliveries: values.attempts ?? null,
    lockUntilMs: leaseLeftMs === null ? null : nowMs + leaseLeftMs,
  };
  if (isTerminal(values.state)) return { ...common, state: 'ended', due: { kind: 'never' } };
  if (holder === null && awaitsRetry(values))
    return { ...common, state: 'delayed', due: { kind: 'unknown' } };
  if (holder === null && values.state === 'pending') {
    return { ...common, state: 'waiting', due: { kind: 'now' } };
  }
  return {
    ...common,
    state: 'active',
    owner: values.owner ?? values.taskId ?? holder,
    due: dueOf(values, holder !== null, leaseLeftMs, nowMs),
  };
}

/** It failed before and nobody has claimed it since. When it is due only the worker's own rule tells. */
function awaitsRetry(values: RowValues): boolean {
  if ((values.retryCount ?? 0) < 1) return false;
  if (values.state === 'pending') return true;
  const claim = values.owner === undefined ? values.leaseUntil : values.owner;
  // Without a column that tells a claim, only the status's own word does.
  return claim === undefined ? /retry|backoff|delay|schedul/i.test(values.status ?? '') : claim === null;
}

/** A held transaction gives the row back as soon as the server sees its client gone. */
function dueOf(values: RowValues, held: boolean, leaseLeftMs: number | null, nowMs: number): Due {
  if (held && values.state === 'pending') return { kind: 'now' };
  return leaseLeftMs === null ? { kind: 'unknown' } : { kind: 'at', atMs: nowMs + leaseLeftMs };
}

/** A statement that takes rows: what a worker that polls has run last, most of the time. */
const TAKES_ROWS = /\bfor\s+(?:no\s+key\s+)?update\b|\bupdate\b/i;

/** Other clients whose last statement takes rows of this table. Needs no more than the right to see their statements. */
async function takersOf(database: Database, table: JobTable): Promise<readonly Connection[]> {
  const { rows } = await database.query<{ id: string; query: string }>(
    `select pid || '@' || coalesce((extract(epoch from backend_start) * 1000)::bigint::text, 'unknown') as id, query
       from pg_stat_activity where datname = current_database() and query is not null`,
  );
  const name = table.name.slice(table.name.lastIndexOf('.') + 1).replaceAll('"', '');
  const takers = new Set(
    rows.filter(({ query }) => query.includes(name) && TAKES_ROWS.test(query)).map(({ id }) => id),
  );
  const connections = await databaseConnections(database);
  return connections.filter(({ id }) => takers.has(id));
}
