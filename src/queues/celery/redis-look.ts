/** Reads where the messages of one task are in Redis, in one transaction of reading commands. Changes nothing. */
import type { Redis } from 'ioredis';
import { SEARCH_LIMIT } from '../limits.ts';
import { answersOf } from '../redis/ask.ts';
import { number, textList } from '../redis/values.ts';
import type { MessageRef } from '../queue.ts';
import { parsed, readStoredMessage, type StoredMessage } from './message.ts';
import type { RedisKeys } from './redis-keys.ts';

export interface FoundMessage {
  readonly message: StoredMessage;
  readonly place: 'ready' | 'unacknowledged';
  /** By the worker's clock. `null` where it is not delivered. */
  readonly deliveredEpochMs: number | null;
  /** The list it is in and its very text, by which it is removed; for a delivered one its delivery tag. */
  readonly list: string | null;
  readonly text: string;
}

export interface RedisReading {
  /** Messages with the task's id or the job's id in them. */
  readonly found: readonly FoundMessage[];
  /** All messages were looked at. */
  readonly complete: boolean;
}

/** Commands that are asked for each list. */
const OF_A_LIST = 3;

export async function lookRedis(client: Redis, keys: RedisKeys, message: MessageRef): Promise<RedisReading> {
  // What is delivered is few, unless many tasks wait for their time in a worker's memory: then ours alone is read.
  const delivered = await client.hlen(keys.unacked);
  const readAll = delivered <= SEARCH_LIMIT;
  const transaction = client.multi();
  for (const list of keys.lists) {
    transaction.llen(list);
    transaction.lrange(list, 0, SEARCH_LIMIT - 1);
    transaction.lrange(list, -SEARCH_LIMIT, -1);
  }
  transaction.zrevrange(keys.unackedIndex, 0, SEARCH_LIMIT, 'WITHSCORES');
  if (readAll) transaction.hgetall(keys.unacked);
  else transaction.hget(keys.unacked, message.messageId);
  const answers = answersOf(await transaction.exec());
  const [scores, hash] = answers.slice(keys.lists.length * OF_A_LIST);

  const isOurs = (text: string): boolean => text.includes(message.messageId) || mayCarry(text, message.job);
  let complete = readAll;
  const ready = keys.lists.flatMap((list, index) => {
    const [length, newest, oldest] = answers.slice(index * OF_A_LIST);
    const long = (number(length) ?? 0) > SEARCH_LIMIT;
    if (long) complete = false;
    const texts = long ? new Set([...textList(newest), ...textList(oldest)]) : textList(newest);
    return [...texts]
      .filter(isOurs)
      .flatMap((text) => found(text, { place: 'ready', deliveredEpochMs: null, list }));
  });
  const deliveredAt = scoresByTag(textList(scores));
  const unacknowledged = entriesOf(hash, message.messageId)
    .filter(([, value]) => isOurs(value))
    .flatMap(([tag, value]) => {
      const stored: unknown = parsed(value);
      const text = JSON.stringify(Array.isArray(stored) ? stored[0] : null);
      return found(text, {
        place: 'unacknowledged',
        deliveredEpochMs: deliveredAt.get(tag) ?? null,
        list: null,
      });
    });
  return { found: [...ready, ...unacknowledged], complete };
}

/** A uuid stands in the arguments as it is; they are in base64 there, so the text alone does not tell. */
function mayCarry(text: string, job: string): boolean {
  return (
    text.includes(job) ||
    text.includes('"body_encoding": "base64"') ||
    text.includes('"body_encoding":"base64"')
  );
}

function found(text: string, where: Omit<FoundMessage, 'message' | 'text'>): readonly FoundMessage[] {
  const message = readStoredMessage(text);
  return message === null ? [] : [{ message, text, ...where }];
}

function scoresByTag(flat: readonly string[]): ReadonlyMap<string, number> {
  const scores = new Map<string, number>();
  for (let index = 0; index + 1 < flat.length; index += 2) {
    scores.set(flat[index] ?? '', Math.round(Number(flat[index + 1]) * 1000));
  }
  return scores;
}

function entriesOf(answer: unknown, tag: string): readonly (readonly [string, string])[] {
  if (typeof answer === 'string') return [[tag, answer]];
  if (typeof answer !== 'object' || answer === null) return [];
  return Object.entries(answer).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
}
