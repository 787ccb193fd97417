/** Reads all that Redis knows of one message, in one transaction of reading commands. Writes nothing, starts nothing. */
import type { Redis } from 'ioredis';

import type { MessageState } from '../../core/event.ts';
import type { OtherMessage } from './leftovers.ts';
import type { RedisKeys } from './redis-keys.ts';
import { SEARCH_LIMIT } from '../limits.ts';
import { number, text, textList } from '../redis/values.ts';

/** Durations in ms, counted from the moment of the reading; epoch times in ms by the worker's clock. */
export interface RedisReading {
  readonly state: MessageState;
  readonly waitsForChildren: boolean;
  readonly paused: boolean;
  readonly hash: Readonly<Record<(typeof FIELDS)[number], string | null>>;
  readonly lockToken: string | null;
  /** `null`: no lock. */
  readonly lockLeftMs: number | null;
  readonly marked: boolean;
  readonly readyAtEpochMs: number | null;
  /** Until the throttle of the stalled check ends; 0: it is off. */
  readonly throttleLeftMs: number;
  /** The interval that the last counting check was made with. */
  readonly intervalMs: number | null;
  /** Unfinished messages of the queue, newest first; at most `SEARCH_LIMIT` of each state. */
  readonly unfinished: readonly string[];
  readonly unfinishedComplete: boolean;
}

const FIELDS = ['name', 'data', 'ats', 'stc', 'pb', 'failedReason', 'defa', 'processedOn'] as const;
/** BullMQ keeps 12 bits for the order within a millisecond in the scores of delayed messages. */
const DELAYED_SCORE_UNIT = 0x1000;
/** Clocks of one machine, read one after the other, and the way to the server and back. */
const CLOCK_ERROR_MS = 1_000;
/** A longer interval than this is taken for two clocks that disagree. */
const LONGEST_INTERVAL_MS = 24 * 60 * 60 * 1000;

export async function lookRedis(client: Redis, keys: RedisKeys, id: string): Promise<RedisReading> {
  const newest = SEARCH_LIMIT - 1;
  const answers = await client
    .multi()
    .hmget(keys.message(id), ...FIELDS)
    .exists(keys.message(id))
    .lpos(keys.of('wait'), id)
    .lpos(keys.of('paused'), id)
    .lpos(keys.of('active'), id)
    .zscore(keys.of('prioritized'), id)
    .zscore(keys.of('delayed'), id)
    .zscore(keys.of('waiting-children'), id)
    .zscore(keys.of('completed'), id)
    .zscore(keys.of('failed'), id)
    .get(keys.lock(id))
    .pttl(keys.lock(id))
    .sismember(keys.of('stalled'), id)
    .get(keys.of('stalled-check'))
    .pttl(keys.of('stalled-check'))
    .time()
    .hexists(keys.of('meta'), 'paused')
    .lrange(keys.of('wait'), 0, newest)
    .lrange(keys.of('paused'), 0, newest)
    .lrange(keys.of('active'), 0, newest)
    .zrevrange(keys.of('prioritized'), 0, newest)
    .zrevrange(keys.of('delayed'), 0, newest)
    .zrevrange(keys.of('waiting-children'), 0, newest)
    .exec();
  const values = (answers ?? []).map(([error, value]) => {
    if (error !== null) throw error;
    return value;
  });
  const [fields, exists, wait, paused, active, prioritized, delayed, waitingChildren, completed, failed] =
    values;
  const [lockToken, lockTtl, marked, lookedAt, throttleTtl, time, queuePaused] = values.slice(10);
  const lists = values.slice(17).map(textList);

  const delayedScore = number(delayed);
  const lockLeftMs = remaining(lockTtl);
  const throttleLeftMs = remaining(throttleTtl) ?? 0;
  return {
    state: stateOf({
      waiting: wait !== null || paused !== null || prioritized !== null,
      active: active !== null,
      delayed: delayed !== null || waitingChildren !== null,
      ended: completed !== null,
      dead: failed !== null,
      exists: exists === 1,
    }),
    waitsForChildren: waitingChildren !== null,
    paused: queuePaused === 1,
    hash: hashOf(fields),
    lockToken: lockLeftMs === null ? null : text(lockToken),
    lockLeftMs,
    marked: marked === 1,
    readyAtEpochMs: delayedScore === null ? null : Math.floor(delayedScore / DELAYED_SCORE_UNIT),
    throttleLeftMs,
    intervalMs: intervalOf(number(lookedAt), throttleLeftMs, [epochMs(time), Date.now()]),
    unfinished: lists.flat(),
    unfinishedComplete: lists.every((ids) => ids.length < SEARCH_LIMIT),
  };
}

/** The newest messages that wait or are delayed, the one named left out. */
export async function readOtherMessages(
  client: Redis,
  keys: RedisKeys,
  messageId: string,
): Promise<readonly OtherMessage[]> {
  const newest = SEARCH_LIMIT - 1;
  const [delayed, waiting, prioritized] = await Promise.all([
    client.zrevrange(keys.of('delayed'), 0, newest, 'WITHSCORES'),
    client.lrange(keys.of('wait'), 0, newest),
    client.zrevrange(keys.of('prioritized'), 0, newest),
  ]);
  const due = new Map<string, number | null>([...waiting, ...prioritized].map((id) => [id, null]));
  for (let index = 0; index < delayed.length; index += 2) {
    due.set(delayed[index] ?? '', Math.floor(Number(delayed[index + 1]) / DELAYED_SCORE_UNIT));
  }
  due.delete(messageId);
  return Promise.all(
    [...due].map(async ([id, dueAtEpochMs]) => {
      const [name, data, addedAt, repeatKey, parentKey] = await client.hmget(
        keys.message(id),
        'name',
        'data',
        'timestamp',
        'rjk',
        'parentKey',
      );
      return {
        id,
        name: name ?? '',
        data: data ?? '',
        addedAtEpochMs: Number(addedAt ?? 0),
        dueAtEpochMs,
        repeating: repeatKey != null,
        childOfMessage: parentKey === keys.message(messageId),
      };
    }),
  );
}

interface Places {
  readonly waiting: boolean;
  readonly active: boolean;
  readonly delayed: boolean;
  readonly ended: boolean;
  readonly dead: boolean;
  readonly exists: boolean;
}

function stateOf(places: Places): MessageState {
  if (places.active) return 'active';
  if (places.waiting) return 'waiting';
  if (places.delayed) return 'delayed';
  if (places.ended) return 'ended';
  if (places.dead) return 'dead';
  return places.exists ? 'unknown' : 'gone';
}

/**
 * `stalled-check` holds when the last counting check ran and lives for one interval from then on, so the two ends
 * tell the interval. The one is by the worker's clock, the other counts from now: by the server's clock, or by ours,
 * where the worker runs. Whole milliseconds between the clocks are an error of the result; where they are far apart, the
 * one that yields an interval is the worker's.
 */
function intervalOf(
  lookedAtMs: number | null,
  leftMs: number,
  nowMs: readonly (number | null)[],
): number | null {
  if (lookedAtMs === null || leftMs === 0) return null;
  const intervals = nowMs
    .filter((now) => now !== null)
    .map((now) => now + leftMs - lookedAtMs)
    .filter((intervalMs) => intervalMs > leftMs - CLOCK_ERROR_MS && intervalMs <= LONGEST_INTERVAL_MS);
  return intervals.length === 0 ? null : Math.max(leftMs, Math.min(...intervals));
}

function hashOf(fields: unknown): RedisReading['hash'] {
  const values: readonly unknown[] = Array.isArray(fields) ? fields : [];
  const [name, data, ats, stc, pb, failedReason, defa, processedOn] = values.map(text);
  return {
    name: name ?? null,
    data: data ?? null,
    ats: ats ?? null,
    stc: stc ?? null,
    pb: pb ?? null,
    failedReason: failedReason ?? null,
    defa: defa ?? null,
    processedOn: processedOn ?? null,
  };
}

/** PTTL: -2 no key, -1 no expiry. A lock without expiry is none of BullMQ's. */
function remaining(ttl: unknown): number | null {
  return typeof ttl === 'number' && ttl >= 0 ? ttl : null;
}

/** The answer of TIME: seconds and microseconds. */
function epochMs(time: unknown): number | null {
  const [seconds, micros] = Array.isArray(time) ? time.map(number) : [];
  if (seconds === null || seconds === undefined || micros === null || micros === undefined) return null;
  return seconds * 1000 + Math.floor(micros / 1000);
}
