/** BullMQ's Redis store: adding by BullMQ's own `Queue`, everything else by plain commands. */
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';

import type { QueueSettings } from '../../config/settings.ts';
import type { Connection, Leftover } from '../../core/event.ts';
import type { BrokerInfo, MessageRef, QueueContext, RunClock, Submission, SubmitOutcome } from '../queue.ts';
import { DEFAULT_REQUEST_TIMEOUT_MS } from '../limits.ts';
import type { Sent } from '../reference.ts';
import { askRedis, connectionLost, uncertainty } from '../redis/ask.ts';
import { isClientListForbidden, readClientList } from '../redis/client-list.ts';
import { pingRedis } from '../redis/ping.ts';
import { isNotSent, RedisConnection, replyError } from '../redis/connection.ts';
import { REMOVE_BOOKKEEPING, redisKeys, type RedisKeys } from './redis-keys.ts';
import { number } from '../redis/values.ts';
import { leftoverMessages, standingLocks } from './leftovers.ts';
import { lookRedis, readOtherMessages, type RedisReading } from './redis-look.ts';
import type { MessageFacts } from './stalled.ts';
import { checkQueueName, refusedByBullmq } from './submit-errors.ts';
import { isSecondMessage, messageCount, parsed, type BullmqStore } from './store.ts';

/** What BullMQ recommends. */
const BULLMQ = { library: 'BullMQ', recommendedVersion: '6.2.0' } as const;

const EVENTS_PAGE = 1_000;

export function openRedisStore(settings: QueueSettings, context: QueueContext): BullmqStore {
  checkQueueName(settings.name);
  return new RedisStore(settings, context);
}

class RedisStore implements BullmqStore {
  readonly #settings: QueueSettings;
  readonly #clock: RunClock;
  readonly #connection: RedisConnection;
  readonly #keys: RedisKeys;
  /** By message id. */
  readonly #sent = new Map<string, Sent>();
  /** By message id: which unfinished messages are second ones, so that each is read once. */
  readonly #seen = new Map<string, ReadonlyMap<string, boolean>>();
  #intervalMs: number | null = null;

  constructor(settings: QueueSettings, context: QueueContext) {
    this.#settings = settings;
    this.#clock = context.clock;
    this.#connection = new RedisConnection(
      settings.url,
      context.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    );
    this.#keys = redisKeys(settings.prefix, settings.name);
  }

  async ping(): Promise<BrokerInfo> {
    return this.#ask((client) => pingRedis(client, this.#connection.broker, BULLMQ));
  }

  async consumers(): Promise<readonly Connection[] | null> {
    return this.#ask(async (client) => {
      try {
        return workerConnections(
          String(await client.client('LIST')),
          this.#settings.prefix,
          this.#settings.name,
        );
      } catch (error) {
        if (isClientListForbidden(error)) return null;
        throw error;
      }
    });
  }

  async submit(submission: Submission): Promise<SubmitOutcome> {
    const { messageId, task, payload } = submission;
    const client = await this.#connection.client();
    const queue = new Queue(this.#settings.name, {
      connection: client,
      prefix: this.#settings.prefix,
      skipMetasUpdate: true,
      skipVersionCheck: true,
    });
    queue.on('error', () => undefined);
    this.#sent.set(messageId, { task, payload });
    try {
      await queue.add(task, payload, { jobId: messageId });
      return { messageId, certainty: 'certain' };
    } catch (error) {
      const problem = uncertainty(this.#connection, error);
      if (problem !== null) return { messageId, certainty: 'uncertain', problem };
      throw isNotSent(error) ? connectionLost(this.#connection) : refusal(this.#connection, error);
    } finally {
      await queue.close();
    }
  }

  async look(message: MessageRef): Promise<MessageFacts> {
    return this.#ask(async (client) => {
      const reading = await lookRedis(client, this.#keys, message.messageId);
      const nowMs = this.#clock.now();
      this.#intervalMs = reading.intervalMs ?? this.#intervalMs;
      return {
        state: reading.state,
        paused: reading.paused,
        owner: reading.state === 'active' ? (reading.lockToken ?? reading.hash.pb) : null,
        lockUntilMs: reading.lockLeftMs === null ? null : nowMs + reading.lockLeftMs,
        marked: reading.marked,
        readyAtMs: reading.readyAtEpochMs === null ? null : nowMs + reading.readyAtEpochMs - Date.now(),
        takenAtMs: inRun(number(reading.hash.processedOn), nowMs),
        nextLookMs: nowMs + reading.throttleLeftMs,
        intervalMs: this.#intervalMs,
        waitsForChildren: reading.waitsForChildren,
        looked: reading.throttleLeftMs > 0 || this.#intervalMs !== null,
        deliveries: reading.state === 'gone' ? null : (number(reading.hash.ats) ?? 0),
        stalls: reading.state === 'gone' ? null : (number(reading.hash.stc) ?? 0),
        failedReason: reading.hash.failedReason ?? reading.hash.defa,
        messages: await this.#count(client, message, reading),
      };
    });
  }

  async leftovers(message: MessageRef): Promise<readonly Leftover[]> {
    return this.#ask(async (client) => {
      const others = await readOtherMessages(client, this.#keys, message.messageId);
      const sinceEpochMs = this.#clock.now() - Date.now();
      return [
        ...leftoverMessages(
          others,
          message,
          (epochMs) => epochMs + sinceEpochMs,
          this.#sent.get(message.messageId)?.payload,
        ),
        ...(await standingLocks(client, message)),
      ];
    });
  }

  async purge(message: MessageRef): Promise<void> {
    const id = message.messageId;
    await this.#ask(async (client) => {
      const transaction = client.multi();
      for (const key of this.#keys.lists) transaction.lrem(key, 0, id);
      for (const key of this.#keys.sorted) transaction.zrem(key, id);
      transaction.srem(this.#keys.of('stalled'), id);
      transaction.del(...this.#keys.messageKeys(id));
      for (const [error] of (await transaction.exec()) ?? []) {
        if (error !== null) throw error;
      }
      await removeEvents(client, this.#keys.of('events'), id);
    });
    this.#seen.delete(id);
  }

  async absentKeys(): Promise<readonly string[]> {
    return this.#ask(async (client) => {
      const there = await Promise.all(this.#keys.bookkeeping.map((key) => client.exists(key)));
      return this.#keys.bookkeeping.filter((_key, index) => there[index] === 0);
    });
  }

  async removeKeys(absent: readonly string[]): Promise<void> {
    const { bookkeeping, contents } = this.#keys;
    const remove = bookkeeping.filter((key) => absent.includes(key));
    const keys = [this.#keys.of('events'), this.#keys.of('meta'), ...contents, ...remove];
    await this.#ask((client) => client.eval(REMOVE_BOOKKEEPING, keys.length, ...keys, contents.length));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close();
  }

  #ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    return askRedis(this.#connection, work);
  }

  async #count(client: Redis, message: MessageRef, reading: RedisReading): Promise<number | null> {
    const { job, messageId } = message;
    const sent = this.#sent.get(messageId) ?? {
      task: reading.hash.name ?? this.#settings.task,
      payload: reading.hash.data === null ? undefined : parsed(reading.hash.data),
    };
    const before = this.#seen.get(messageId) ?? new Map<string, boolean>();
    const others = [...new Set(reading.unfinished)].filter((id) => id !== messageId);
    const unread = others.filter((id) => !before.has(id));
    const read = new Map(
      await Promise.all(
        unread.map(async (id): Promise<[string, boolean]> => {
          const [name, data, parentKey] = await client.hmget(
            this.#keys.message(id),
            'name',
            'data',
            'parentKey',
          );
          const candidate = {
            name: name ?? '',
            data: data ?? '',
            childOfMessage: parentKey === this.#keys.message(messageId),
          };
          return [id, isSecondMessage(candidate, job, sent)];
        }),
      ),
    );
    const now = new Map(others.map((id) => [id, read.get(id) ?? before.get(id) ?? false]));
    this.#seen.set(messageId, now);
    const second = [...now.values()].filter(Boolean).length;
    const unfinished = ['waiting', 'active', 'delayed'].includes(reading.state);
    return messageCount(unfinished, second, reading.unfinishedComplete);
  }
}

/** A worker names its blocking connection alone, so one is one worker. */
function workerConnections(list: string, prefix: string, queueName: string): readonly Connection[] {
  const unnamed = `${prefix}:${Buffer.from(queueName).toString('base64')}`;
  return readClientList(list)
    .filter(({ name }) => name === unnamed || name.startsWith(`${unnamed}:w:`))
    .map(({ id, name, address, port, pid }) => ({ id, name, address, port, pid }));
}

/** Pages through the stream: it holds some 10,000 entries at most, unless configured otherwise. */
async function removeEvents(client: Redis, key: string, id: string): Promise<void> {
  let from = '-';
  for (;;) {
    const page = await client.xrange(key, from, '+', 'COUNT', EVENTS_PAGE);
    const ours = page.filter(([, fields]) => names(fields, id)).map(([entry]) => entry);
    if (ours.length > 0) await client.xdel(key, ...ours);
    const last = page.at(-1);
    if (page.length < EVENTS_PAGE || last === undefined) return;
    from = `(${last[0]}`;
  }
}

function names(fields: readonly string[], id: string): boolean {
  return fields.some((field, index) => index % 2 === 0 && field === 'jobId' && fields[index + 1] === id);
}

function refusal(connection: RedisConnection, error: unknown): unknown {
  return replyError(connection.broker, error) ?? refusedByBullmq(error);
}

function inRun(epochMs: number | null, nowMs: number): number | null {
  return epochMs === null ? null : nowMs + epochMs - Date.now();
}
