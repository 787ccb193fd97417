/**
 * What is recorded once the old worker should be gone: its connections have ended, everything it committed has been
 * seen, and the row and the broker are looked at before anybody else can have changed them. This is what tells a
 * crash in flight from a job that had ended a moment before.
 */
import { connectionOf, incarnationOfName } from '../core/attribution.ts';
import { databaseConnections } from '../workers/presence.ts';
import type { BrokerWatch } from './broker-watch.ts';
import { pause, record, subjectChanges, until, type InFlight } from './context.ts';
import { readJobs } from './job-rows.ts';

/** A backend whose client is gone ends as soon as it reads or writes its socket; a long statement may take longer. */
const CONNECTIONS_GONE_TIMEOUT_MS = 5_000;

/** Where connections cannot be seen: how long a statement that the dead worker had sent may take to show. */
const LAST_STATEMENT_MS = 500;

/** The connections with which an incarnation is known to have written or to be connected. */
export async function connectionsOf(
  run: InFlight,
  incarnation: number,
  pids: ReadonlySet<number>,
): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const connection of await databaseConnections(run.database)) {
    const named = incarnationOfName(connection.name) === incarnation;
    if (named || (connection.pid !== null && pids.has(connection.pid))) ids.add(connection.id);
  }
  return ids;
}

/** The connection that wrote last before the strike, if it tells anything. */
export function lastWriterOf(run: InFlight): readonly string[] {
  const writer = subjectChanges(run).findLast((version) => version.values?.state === 'processing')?.writer;
  return writer === undefined || run.pooled ? [] : [connectionOf(writer)];
}

/** @returns whether all of them have ended within the time; behind a pooler they never tell, and that is `false` */
export async function connectionsEnded(run: InFlight, ids: ReadonlySet<string>): Promise<boolean> {
  if (run.database === null) await pause(run, LAST_STATEMENT_MS);
  if (run.pooled || run.database === null) return false;
  const ended = await until(run, CONNECTIONS_GONE_TIMEOUT_MS, 10, async () => {
    const now = await databaseConnections(run.database);
    return now.some((connection) => ids.has(connection.id)) ? undefined : true;
  });
  return ended === true;
}

/** Records that the worker is gone, and how row and broker stood right after. */
export async function recordGone(
  run: InFlight,
  broker: BrokerWatch,
  gone: {
    readonly incarnation: number;
    readonly proof: 'processes' | 'connections';
    readonly connectionsGone: boolean;
  },
): Promise<void> {
  await run.observer.catchUp();
  record(run, { kind: 'worker:gone', ...gone });
  await readSubject(run);
  await broker.look();
  await lookAtWitness(run);
}

/** How the broker has the message of the job behind: a worker that leaves may take it along, one that comes remove it. */
export async function lookAtWitness(run: InFlight): Promise<void> {
  const { witness, queue } = run;
  if (witness === null) return;
  const state = await queue.inspect(witness.message).catch(() => null);
  if (state !== null) record(run, { kind: 'broker:snapshot', job: witness.id, role: witness.role, ...state });
}

/** One deliberate look at the subject's row. */
export async function readSubject(run: InFlight): Promise<void> {
  const { rows, databaseAtMs } = await readJobs(run, [run.subject.id]);
  record(run, {
    kind: 'row:version',
    job: run.subject.id,
    role: run.subject.role,
    source: 'read',
    operation: 'update',
    values: rows.get(run.subject.id) ?? null,
    databaseAtMs,
  });
}
