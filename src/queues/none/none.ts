/**
 * No queue beside the table: the job table is the queue, the most common home-made design. A row is claimed by its
 * status, with a lease or a heartbeat beside it, or by a transaction that is held for the whole job.
 *
 * All that is asked comes from the row and from who holds it, by plain reads. Who holds it is told by the row's xmax:
 * row locks are in no view, and a lock probe would hide the row from workers that skip locked ones for just as long.
 * (xmax stays after its transaction has ended; only the join with living transactions tells.)
 */
import type { StatusMapping } from '../../config/settings.ts';
import { isTerminal, type BrokerState, type Due, type RowValues } from '../../core/event.ts';
import { usageError } from '../../core/errors.ts';
import { OWN_APPLICATION_NAME, type Database } from '../../jobs/database.ts';
import { quoteIdentifier } from '../../jobs/quote.ts';
import { idCondition, rowExpression, toRowValues } from '../../jobs/row.ts';
import type { JobTable } from '../../jobs/table.ts';
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
    // The row that was inserted is the message.
    submit: ({ job }) => Promise.resolve({ messageId: job, certainty: 'certain' }),
    inspect: async ({ job }) => toState(await look(job), clock.now()),
    async estimateRecovery({ job }) {
      const leaseMs = (await look(job))?.leaseLeftMs;
      if (leaseMs == null) return null;
      const atMostMs = Math.max(0, leaseMs);
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
  /** The application that holds the row in an open transaction. */
  readonly holder: string | null;
  /** Until the lease ends, by the server's clock; negative: it has ended. */
  readonly leaseLeftMs: number | null;
}

async function lookAtRow(
  database: Database,
  table: JobTable,
  statuses: StatusMapping,
  job: string,
): Promise<Look | null> {
  const lease = table.roles.leaseUntil;
  const left =
    lease === undefined
      ? 'null'
      : `(extract(epoch from t.${quoteIdentifier(lease.name)}::timestamptz - clock_timestamp()) * 1000)::bigint::text`;
  const { rows } = await database.query<{
    json: Record<string, unknown>;
    holder: string | null;
    lease_left_ms: string | null;
  }>(
    `select ${rowExpression(table, 't')} as json, ${left} as lease_left_ms,
            (select coalesce(nullif(a.application_name, ''), 'backend ' || a.pid) from pg_stat_activity a
              where a.backend_xid::text = t.xmax::text and coalesce(a.application_name, '') not like $1 limit 1) as holder
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
  const held = holder !== null;
  if (values.state === 'pending' && !held) return { ...common, state: 'waiting', due: { kind: 'now' } };
  return {
    ...common,
    state: 'active',
    owner: values.owner ?? values.taskId ?? holder,
    due: dueOf(held, values.state === 'pending', leaseLeftMs, nowMs),
  };
}

/** A held transaction gives the row back as soon as the server sees its client gone. */
function dueOf(held: boolean, pending: boolean, leaseLeftMs: number | null, nowMs: number): Due {
  if (held && pending) return { kind: 'now' };
  return leaseLeftMs === null ? { kind: 'unknown' } : { kind: 'at', atMs: nowMs + leaseLeftMs };
}
