/** Celery's messages in Redis, as kombu keeps them there. */
import type { Redis } from 'ioredis';
import type { QueueSettings } from '../../config/settings.ts';
import { DEFAULT_REQUEST_TIMEOUT_MS, CONNECTION_NAME } from '../limits.ts';
import type { BrokerInfo, MessageRef, QueueContext, RunClock, SubmitOutcome } from '../queue.ts';
import { askRedis, connectionLost, uncertainty } from '../redis/ask.ts';
import { isClientListForbidden, readClientList } from '../redis/client-list.ts';
import { connectError, isNotSent, RedisConnection } from '../redis/connection.ts';
import { pingRedis } from '../redis/ping.ts';
import { isPart, refersTo, type Sent } from '../reference.ts';
import type { BrokerLook, CeleryBroker, Consumer, FurtherMessages } from './broker.ts';
import { taskEnvelope, type TaskMessage } from './message.ts';
import { databaseOf, redisKeys, type RedisKeys } from './redis-keys.ts';
import { lookRedis, type FoundMessage, type RedisReading } from './redis-look.ts';
import { RedisRemote, removeReplies } from './redis-remote.ts';

const DEFAULT_URL = 'redis://127.0.0.1:6379/1';
/** Marks the name of our list of answers among the absent keys. */
const REPLIES = 'replies:';

export function openRedisBroker(settings: QueueSettings, context: QueueContext): CeleryBroker {
  return new RedisBroker(settings, context);
}

class RedisBroker implements CeleryBroker {
  readonly backend = 'redis';
  readonly showsUnacknowledged = true;
  readonly remote: RedisRemote;
  readonly #clock: RunClock;
  readonly #connection: RedisConnection;
  readonly #keys: RedisKeys;
  readonly #database: number;

  constructor(settings: QueueSettings, context: QueueContext) {
    const url = settings.url ?? DEFAULT_URL;
    this.#clock = context.clock;
    this.#connection = new RedisConnection(url, context.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS);
    this.#database = databaseOf(url);
    this.#keys = redisKeys(settings.prefix, settings.name, this.#database);
    this.remote = new RedisRemote(this.#keys, () => this.#connection.client());
  }

  ping(): Promise<BrokerInfo> {
    return this.#ask((client) => pingRedis(client, this.#connection.broker, null));
  }

  /**
   * A worker takes messages by one connection that asks for nothing else, so its last command stays BRPOP, also while
   * the worker is busy and does not ask.
   */
  connections(): Promise<readonly Consumer[] | null> {
    return this.#ask(async (client) => {
      try {
        const clients = readClientList(String(await client.client('LIST')));
        const nowMs = this.#clock.now();
        return clients
          .filter(
            ({ command, database, name }) =>
              command === 'brpop' && database === this.#database && name !== CONNECTION_NAME,
          )
          .map(({ id, name, address, port, pid, ageMs }) => ({
            id,
            name,
            address,
            port,
            pid,
            sinceMs: nowMs - ageMs,
          }));
      } catch (error) {
        if (isClientListForbidden(error)) return null;
        throw error;
      }
    });
  }

  consumerCount(): Promise<number | null> {
    return Promise.resolve(null);
  }

  async submit(message: TaskMessage): Promise<SubmitOutcome> {
    const client = await this.#connection.client();
    const messageId = message.id;
    try {
      await client.lpush(this.#keys.listOf(message.priority), taskEnvelope(message, this.#keys.queue));
      return { messageId, certainty: 'certain' };
    } catch (error) {
      const problem = uncertainty(this.#connection, error);
      if (problem !== null) return { messageId, certainty: 'uncertain', problem };
      throw isNotSent(error)
        ? connectionLost(this.#connection, error)
        : connectError(this.#connection.broker, error);
    }
  }

  async look(message: MessageRef, sent: Sent | undefined): Promise<BrokerLook> {
    const reading = await this.#read(message);
    const ours = reading.found.filter(({ message: { id } }) => id === message.messageId);
    const at = this.#clock.now() - Date.now();
    const [current] = [...ours].sort(newestFirst);
    const eta = current?.message.eta == null ? Number.NaN : Date.parse(current.message.eta);
    return {
      place: current?.place ?? 'nowhere',
      etaMs: Number.isNaN(eta) ? null : Math.round(eta + at),
      deliveredAtMs: current?.deliveredEpochMs == null ? null : current.deliveredEpochMs + at,
      messages: count(reading, message, sent),
      retries: current?.message.retries ?? null,
      further: furtherOf(reading, message, at),
    };
  }

  async purge(message: MessageRef): Promise<void> {
    await this.#ask(async (client) => {
      const reading = await lookRedis(client, this.#keys, message);
      const ours = reading.found.filter(({ message: { id } }) => id === message.messageId);
      const transaction = client.multi();
      for (const { list, text, message: stored } of ours) {
        if (list === null)
          transaction
            .hdel(this.#keys.unacked, stored.deliveryTag)
            .zrem(this.#keys.unackedIndex, stored.deliveryTag);
        else transaction.lrem(list, 0, text);
      }
      transaction
        .hdel(this.#keys.unacked, message.messageId)
        .zrem(this.#keys.unackedIndex, message.messageId);
      transaction.del(this.#keys.result(message.messageId));
      for (const [error] of (await transaction.exec()) ?? []) {
        if (error !== null) throw error;
      }
    });
  }

  async absentKeys(): Promise<readonly string[]> {
    const keys = this.#keys.bookkeeping;
    const there = await this.#ask((client) => Promise.all(keys.map((key) => client.exists(key))));
    return [...keys.filter((_key, index) => there[index] === 0), `${REPLIES}${this.remote.oid}`];
  }

  async removeKeys(absent: readonly string[]): Promise<void> {
    const replies = absent.filter((name) => name.startsWith(REPLIES));
    const keys = this.#keys.bookkeeping.filter((key) => absent.includes(key));
    await this.#ask(async (client) => {
      for (const name of replies) await removeReplies(client, this.#keys, name.slice(REPLIES.length));
      // A queue that holds anything keeps its bindings; any worker that starts makes them anew.
      if (keys.length > 0 && (await client.exists(...this.#keys.lists)) === 0) await client.del(...keys);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.remote.close();
    } catch {
      // The broker is gone, and its keys with it or not: `cleanup` knows their names.
    } finally {
      this.#connection.close();
    }
  }

  #read(message: MessageRef): Promise<RedisReading> {
    return this.#ask((client) => lookRedis(client, this.#keys, message));
  }

  #ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    return askRedis(this.#connection, work);
  }
}

/** A retry is a new message with the same id; of one generation, the one that a worker has counts. */
function newestFirst(left: FoundMessage, right: FoundMessage): number {
  const byRetries = right.message.retries - left.message.retries;
  return byRetries === 0 ? Number(left.place === 'ready') - Number(right.place === 'ready') : byRetries;
}

/**
 * Messages of the job: those of its task, of the newest retry alone (the message of a retry is there a moment before
 * the one that failed is acknowledged), and those of the same task about the same job that somebody else has sent.
 */
function count(
  { found, complete }: RedisReading,
  { job, messageId }: MessageRef,
  sent: Sent | undefined,
): number | null {
  const ours = found.filter(({ message: { id } }) => id === messageId);
  const newest = Math.max(...ours.map(({ message }) => message.retries));
  const own = ours.filter(({ message }) => message.retries === newest).length;
  const task = sent?.task ?? ours[0]?.message.task;
  const payload = sent?.payload ?? ours[0]?.message.call;
  const others = found.filter(
    ({ message }) =>
      message.id !== messageId &&
      message.parentId !== messageId &&
      message.task === task &&
      message.call !== undefined &&
      refersTo(message.call, job, payload) &&
      !isPart(message.call, payload),
  );
  return complete || others.length > 0 ? own + others.length : null;
}

/** @param at from epoch ms to `atMs` of the run */
function furtherOf({ found }: RedisReading, { messageId }: MessageRef, at: number): FurtherMessages | null {
  const further = found.filter(
    ({ message: { id, parentId, rootId } }) =>
      id !== messageId && (parentId === messageId || rootId === messageId),
  );
  if (further.length === 0) return null;
  const delivered = further.map(({ deliveredEpochMs }) => deliveredEpochMs).filter((time) => time !== null);
  const waits = delivered.length < further.length;
  return { count: further.length, deliveredAtMs: waits ? null : Math.min(...delivered) + at };
}
