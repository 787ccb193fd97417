/**
 * What a BullMQ queue keeps of a job besides its message: alarms and repeating entries that somebody set for it, and
 * locks that stand for ever. Read with plain commands, once, when the job has settled.
 */
import type { Redis } from 'ioredis';
import type { Leftover } from '../../core/event.ts';
import type { MessageRef } from '../queue.ts';
import { refersTo } from '../reference.ts';
import { parsed } from './store.ts';

/** An unfinished message of the queue, whatever it is for. */
export interface OtherMessage {
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly data: string;
  readonly addedAtEpochMs: number;
  /** `null`: it is not delayed. */
  readonly dueAtEpochMs: number | null;
  readonly repeating: boolean;
  readonly childOfMessage: boolean;
}

/**
 * @param toRunMs turns an epoch time of the sender into `atMs` of the run.
 * @param payload the data of the job's own message, if they are known: of a short id the place in them tells whether
 * another message is about the job, if it was sent since the run began.
 * @returns those that are about the job, under any task's name; what a bulk job has fanned out into is its own matter
 */
export function leftoverMessages(
  others: readonly OtherMessage[],
  { job, messageId }: MessageRef,
  toRunMs: (epochMs: number) => number,
  payload?: unknown,
): readonly Leftover[] {
  const isInPlace = ({ data, addedAtEpochMs }: OtherMessage): boolean =>
    payload !== undefined && toRunMs(addedAtEpochMs) >= 0 && refersTo(parsed(data), job, payload);
  return others
    .filter((other) => other.id !== messageId && !other.childOfMessage)
    .filter((other) => other.repeating || other.dueAtEpochMs !== null)
    .filter(
      (other) => refersTo(parsed(other.data), job, undefined) || namesJob(other.id, job) || isInPlace(other),
    )
    .map((other) => ({
      kind: other.repeating ? ('repeating' as const) : ('delayed' as const),
      name: `${other.name} (${other.id})`,
      setAtMs: toRunMs(other.addedAtEpochMs),
      dueAtMs: other.dueAtEpochMs === null ? null : toRunMs(other.dueAtEpochMs),
    }));
}

/** A short id (a number) turns up anywhere. */
const UNMISTAKABLE_LENGTH = 16;

function namesJob(text: string, job: string): boolean {
  return job.length >= UNMISTAKABLE_LENGTH && text.includes(job);
}

/** Other keys (results, caches) may rightly stay; one that calls itself a lock may not. */
const LOCK = /lock|mutex|lease|semaphore|claim/i;
const SCAN_PAGE = 1_000;
/** A larger database is somebody's production: it is not searched through. */
const SCAN_PAGES = 100;

/** Keys that call themselves locks, name the job and never expire. */
export async function standingLocks(client: Redis, { job }: MessageRef): Promise<readonly Leftover[]> {
  if (job.length < UNMISTAKABLE_LENGTH) return [];
  const names = new Set<string>();
  let cursor = '0';
  for (let page = 0; page < SCAN_PAGES; page += 1) {
    const [next, keys] = await client.scan(cursor, 'MATCH', `*${job}*`, 'COUNT', SCAN_PAGE);
    for (const key of keys) if (LOCK.test(key)) names.add(key);
    cursor = next;
    if (cursor === '0') break;
  }
  const standing: Leftover[] = [];
  for (const name of names) {
    if ((await client.pttl(name)) === -1) standing.push({ kind: 'lock', name, setAtMs: null, dueAtMs: null });
  }
  return standing;
}
