/** Reads all that PostgreSQL knows of one message, in one statement. Writes nothing, locks nothing. */
import type { Pool } from 'pg';

import type { MessageState } from '../../core/event.ts';
import { SEARCH_LIMIT } from '../limits.ts';
import type { OtherMessage } from './leftovers.ts';
import type { Candidate } from './store.ts';

/** Epoch times in ms, by the clock of the workers. */
export interface PostgresReading {
  readonly state: MessageState;
  readonly waitsForChildren: boolean;
  readonly paused: boolean;
  readonly name: string | null;
  readonly data: string | null;
  readonly owner: string | null;
  readonly lockUntilEpochMs: number | null;
  readonly marked: boolean;
  readonly readyAtEpochMs: number | null;
  readonly takenAtEpochMs: number | null;
  /** When the last counting check ran. */
  readonly lookedAtEpochMs: number | null;
  readonly deliveries: number | null;
  readonly stalls: number | null;
  readonly failedReason: string | null;
  /** Other unfinished messages of the queue in which the job's id turns up. */
  readonly candidates: readonly Candidate[];
  readonly searchComplete: boolean;
}

interface Row {
  readonly state: string | null;
  readonly paused: boolean;
  readonly name: string | null;
  readonly data: string | null;
  readonly owner: string | null;
  readonly locked_until_ms: number | null;
  readonly marked: boolean | null;
  readonly ready_at_ms: number | null;
  readonly taken_at_ms: number | null;
  readonly looked_at_ms: number | null;
  readonly attempts_started: number | null;
  readonly stalled_count: number | null;
  readonly failed_reason: string | null;
  readonly candidates: readonly Candidate[];
  readonly complete: boolean;
}

/** Each branch follows one of BullMQ's partial indexes from its newest end, so that a long queue costs no scan. */
const BRANCHES = [
  "state = 'waiting' and priority = 0 order by seq desc",
  "state = 'waiting' and priority > 0 order by priority desc, seq desc",
  "state = 'active' order by locked_until_ms desc",
  "state = 'delayed' order by process_at_ms desc",
  "state = 'waiting-children' order by seq desc",
];

/** @param schema quoted. */
export async function lookPostgres(
  pool: Pool,
  schema: string,
  queueName: string,
  message: { readonly job: string; readonly messageId: string },
): Promise<PostgresReading> {
  const branches = BRANCHES.map(
    (where, index) =>
      `(select ${index} as branch, id, name, data, parent_id, parent_queue from ${schema}.job where queue = $1 and ${where} limit ${SEARCH_LIMIT})`,
  );
  const { rows } = await pool.query<Row>(
    `with unfinished as (${branches.join(' union all ')})
     select j.state::text, j.name, j.data::text, coalesce(j.lock_token, j.processed_by) as owner,
            j.locked_until_ms::float8, j.stalled_marked as marked, j.process_at_ms::float8 as ready_at_ms, j.processed_at_ms::float8 as taken_at_ms,
            j.attempts_started, j.stalled_count, coalesce(j.failed_reason, j.deferred_failure) as failed_reason,
            (select value::float8 from ${schema}.meta where queue = $1 and field = 'stalled-check') as looked_at_ms,
            exists (select from ${schema}.meta where queue = $1 and field = 'paused' and value = '1') as paused,
            not exists (select from unfinished group by branch having count(*) >= ${SEARCH_LIMIT}) as complete,
            coalesce((
              select json_agg(json_build_object('name', u.name, 'data', u.data::text,
                       'childOfMessage', (u.parent_queue, u.parent_id) is not distinct from ($1, $2)))
                from unfinished u where u.id <> $2 and strpos(u.data::text, $3) > 0
            ), '[]'::json) as candidates
       from (select) as always left join ${schema}.job j on j.queue = $1 and j.id = $2`,
    [queueName, message.messageId, message.job],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('a statement that always yields one row yielded none');
  const state = stateOf(row.state);
  return {
    state,
    waitsForChildren: row.state === 'waiting-children',
    paused: row.paused,
    name: row.name,
    data: row.data,
    owner: state === 'active' ? row.owner : null,
    lockUntilEpochMs: row.locked_until_ms,
    marked: row.marked ?? false,
    readyAtEpochMs: row.ready_at_ms,
    takenAtEpochMs: row.taken_at_ms,
    lookedAtEpochMs: row.looked_at_ms,
    deliveries: row.attempts_started,
    stalls: row.stalled_count,
    failedReason: row.failed_reason,
    candidates: row.candidates,
    searchComplete: row.complete,
  };
}

/** The newest messages that wait or are delayed and name the job somewhere, its own message left out. */
export async function readOtherMessages(
  pool: Pool,
  schema: string,
  queueName: string,
  message: { readonly job: string; readonly messageId: string },
): Promise<readonly OtherMessage[]> {
  const { rows } = await pool.query<OtherMessage>(
    `select id, name, data::text as data, added_at_ms::float8 as "addedAtEpochMs",
            case when state = 'delayed' then process_at_ms::float8 end as "dueAtEpochMs",
            scheduler_id is not null as repeating,
            (parent_queue, parent_id) is not distinct from ($1, $2) as "childOfMessage"
       from ${schema}.job
      where queue = $1 and id <> $2 and state in ('waiting', 'delayed')
        and (strpos(data::text, $3) > 0 or strpos(id, $3) > 0)
      order by seq desc limit ${SEARCH_LIMIT}`,
    [queueName, message.messageId, message.job],
  );
  return rows;
}

function stateOf(state: string | null): MessageState {
  switch (state) {
    case null:
      return 'gone';
    case 'waiting':
    case 'active':
    case 'delayed':
      return state;
    case 'waiting-children':
      return 'delayed';
    case 'completed':
      return 'ended';
    case 'failed':
      return 'dead';
    default:
      return 'unknown';
  }
}
