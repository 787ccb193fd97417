/** BullMQ's PostgreSQL store: adding by BullMQ's own `Queue`, everything else by plain statements. */
import { createPostgresBackend, Queue } from 'bullmq';
import { escapeIdentifier, Pool, type QueryResultRow } from 'pg';

import type { QueueSettings } from '../../config/settings.ts';
import type { Connection, Leftover } from '../../core/event.ts';
import { environmentError, UserError } from '../../core/errors.ts';
import { DEFAULT_REQUEST_TIMEOUT_MS } from '../limits.ts';
import { errorText } from '../broker-errors.ts';
import type { BrokerInfo, MessageRef, QueueContext, RunClock, Submission, SubmitOutcome } from '../queue.ts';
import {
  endOrCut,
  isConnectionLost,
  postgresError,
  postgresTarget,
  sqlState,
  trackedSockets,
  type PostgresTarget,
} from './postgres-connection.ts';
import { leftoverMessages } from './leftovers.ts';
import { lookPostgres, readOtherMessages, type PostgresReading } from './postgres-look.ts';
import type { Sent } from '../reference.ts';
import type { MessageFacts } from './stalled.ts';
import { checkQueueName, refusedByBullmq } from './submit-errors.ts';
import { isSecondMessage, messageCount, parsed, type BullmqStore } from './store.ts';

/** PostgreSQL cuts application names here, in bytes. */
const APPLICATION_NAME_BYTES = 63;
/** The lowest that BullMQ runs on. */
const OLDEST_MAJOR = 13;

/**
 * What a queue leaves behind when it holds no message any more: a name for the user, and which rows it stands for.
 * `paused`, `concurrency` and other fields of `meta` are settings of the queue's owner, not bookkeeping.
 */
const BOOKKEEPING = [
  { name: 'meta/stalled-check', table: 'meta', where: "field = 'stalled-check'" },
  { name: 'meta/opts.maxLenEvents', table: 'meta', where: "field = 'opts.maxLenEvents'" },
  { name: 'meta/version', table: 'meta', where: "field = 'version'" },
  { name: 'event', table: 'event', where: 'true' },
  { name: 'rate_limit', table: 'rate_limit', where: 'true' },
  { name: 'metrics/completed', table: 'metrics', where: "kind = 'completed'" },
  { name: 'metrics/failed', table: 'metrics', where: "kind = 'failed'" },
] as const;

export function openPostgresStore(settings: QueueSettings, context: QueueContext): BullmqStore {
  checkQueueName(settings.name);
  const target = postgresTarget(
    settings.url ?? context.databaseUrl,
    context.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
  );
  return new PostgresStore(settings, context.clock, target);
}

class PostgresStore implements BullmqStore {
  readonly #settings: QueueSettings;
  readonly #clock: RunClock;
  readonly #target: PostgresTarget;
  readonly #schema: string;
  readonly #sockets = trackedSockets();
  readonly #pool: Pool;
  /** By message id. */
  readonly #sent = new Map<string, Sent>();
  #lookedAtEpochMs: number | null = null;
  #intervalMs: number | null = null;

  constructor(settings: QueueSettings, clock: RunClock, target: PostgresTarget) {
    this.#settings = settings;
    this.#clock = clock;
    this.#target = target;
    this.#schema = escapeIdentifier(settings.schema);
    this.#pool = new Pool({ ...target.config, max: 2, stream: this.#sockets.stream });
    this.#pool.on('error', () => undefined);
  }

  async ping(): Promise<BrokerInfo> {
    const { address } = this.#target.broker;
    const [server] = await this.#query<{
      version: string;
      major: number;
      standby: boolean;
      migrated: boolean;
    }>(
      `select split_part(current_setting('server_version'), ' ', 1) as version,
              current_setting('server_version_num')::int / 10000 as major,
              pg_is_in_recovery() as standby,
              exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                       where n.nspname = $1 and c.relname = 'job') as migrated`,
      [this.#settings.schema],
    );
    if (server === undefined) throw new Error('a statement that always yields one row yielded none');
    if (server.major < OLDEST_MAJOR) {
      throw environmentError(
        'broker-too-old',
        `PostgreSQL ${server.version} at ${address} is too old.`,
        `BullMQ needs PostgreSQL ${OLDEST_MAJOR} or newer.`,
      );
    }
    if (server.standby) {
      throw environmentError(
        'broker-read-only',
        `PostgreSQL at ${address} is a standby and takes no writes.`,
        `Name the primary server by ${this.#target.broker.option}.`,
      );
    }
    if (!server.migrated) {
      throw environmentError(
        'broker-schema-missing',
        `The schema ${this.#settings.schema} of BullMQ is not in the database at ${address}.`,
        'Start your worker once with `migrate: true` in its connection, or call `runMigrations(client)` of bullmq. A schema of another name goes into queue.schema of the config file.',
      );
    }
    // Asks for what is needed later, so that a missing privilege is told now.
    await this.#query(`select from ${this.#schema}.job limit 0`);
    return { server: `PostgreSQL ${server.version}`, address, warnings: [] };
  }

  /** The LISTEN connection alone has the worker's name, so one is one worker. */
  async consumers(): Promise<readonly Connection[]> {
    const rows = await this.#query<{ id: string; name: string; address: string | null; port: number | null }>(
      `select pid || coalesce('@' || (extract(epoch from backend_start) * 1000)::bigint, '') as id,
              application_name as name, host(client_addr) as address, nullif(client_port, -1) as port
         from pg_stat_activity
        where datname = current_database() and application_name <> ''
          and (application_name = $1 or starts_with(application_name, $2))`,
      [cut(this.#settings.name), cut(`${this.#settings.name}:w:`)],
    );
    return rows.map((row) => ({ ...row, pid: null }));
  }

  async submit(submission: Submission): Promise<SubmitOutcome> {
    const { messageId, task, payload } = submission;
    const sockets = trackedSockets();
    const queue = new Queue(
      this.#settings.name,
      {
        connection: {
          ...this.#target.config,
          max: 1,
          stream: sockets.stream,
          schema: this.#settings.schema,
          skipVersionCheck: true,
        },
        skipMetasUpdate: true,
      },
      createPostgresBackend,
    );
    queue.on('error', () => undefined);
    this.#sent.set(messageId, { task, payload });
    try {
      // Connects and reads the version of the schema: what fails up to here has added nothing.
      await queue.waitUntilReady().catch((error: unknown) => {
        throw refusal(this.#target, this.#settings.schema, error);
      });
      await queue.add(task, payload, { jobId: messageId });
      return { messageId, certainty: 'certain' };
    } catch (error) {
      if (error instanceof UserError) throw error;
      const problem = uncertainty(error);
      if (problem !== null) return { messageId, certainty: 'uncertain', problem };
      throw refusal(this.#target, this.#settings.schema, error);
    } finally {
      await endOrCut(() => queue.close(), sockets);
    }
  }

  async look(message: MessageRef): Promise<MessageFacts> {
    const reading = await this.#ask(() =>
      lookPostgres(this.#pool, this.#schema, this.#settings.name, message),
    );
    const nowMs = this.#clock.now();
    const sinceEpochMs = nowMs - Date.now();
    this.#learnInterval(reading.lookedAtEpochMs);
    const lockUntilMs = reading.lockUntilEpochMs === null ? null : reading.lockUntilEpochMs + sinceEpochMs;
    return {
      state: reading.state,
      paused: reading.paused,
      owner: reading.owner,
      lockUntilMs: lockUntilMs !== null && lockUntilMs > nowMs ? lockUntilMs : null,
      marked: reading.marked,
      readyAtMs: reading.readyAtEpochMs === null ? null : reading.readyAtEpochMs + sinceEpochMs,
      takenAtMs: reading.takenAtEpochMs === null ? null : reading.takenAtEpochMs + sinceEpochMs,
      nextLookMs: this.#nextLook(reading.lookedAtEpochMs, nowMs, sinceEpochMs),
      intervalMs: this.#intervalMs,
      waitsForChildren: reading.waitsForChildren,
      looked: reading.lookedAtEpochMs !== null,
      deliveries: reading.deliveries,
      stalls: reading.stalls,
      failedReason: reading.failedReason,
      messages: this.#count(message, reading),
    };
  }

  async leftovers(message: MessageRef): Promise<readonly Leftover[]> {
    const others = await this.#ask(() =>
      readOtherMessages(this.#pool, this.#schema, this.#settings.name, message),
    );
    const sinceEpochMs = this.#clock.now() - Date.now();
    const payload = this.#sent.get(message.messageId)?.payload;
    return leftoverMessages(others, message, (epochMs) => epochMs + sinceEpochMs, payload);
  }

  async purge(message: MessageRef): Promise<void> {
    await this.#query(
      `with jobs as (delete from ${this.#schema}.job where queue = $1 and id = $2),
            events as (delete from ${this.#schema}.event where queue = $1 and data->>'jobId' = $2)
       delete from ${this.#schema}.dedup where queue = $1 and job_id = $2`,
      [this.#settings.name, message.messageId],
    );
  }

  async absentKeys(): Promise<readonly string[]> {
    const columns = BOOKKEEPING.map(
      ({ name, table, where }) =>
        `not exists (select from ${this.#schema}.${table} where queue = $1 and ${where}) as "${name}"`,
    );
    const [absent] = await this.#query<Record<string, boolean>>(`select ${columns.join(', ')}`, [
      this.#settings.name,
    ]);
    return BOOKKEEPING.map(({ name }) => name).filter((name) => absent?.[name] === true);
  }

  async removeKeys(absent: readonly string[]): Promise<void> {
    const deletions = BOOKKEEPING.filter(({ name }) => absent.includes(name)).map(
      ({ table, where }, index) =>
        `removed_${index} as (delete from ${this.#schema}.${table} where queue = $1 and ${where} and (select empty from queue))`,
    );
    if (deletions.length === 0) return;
    await this.#query(
      `with queue as (
         select not exists (select from ${this.#schema}.job where queue = $1)
            and not exists (select from ${this.#schema}.scheduler where queue = $1)
            and not exists (select from ${this.#schema}.event where queue = $1 and data ? 'jobId')
            and not exists (select from ${this.#schema}.meta where queue = $1
                              and field not in ('stalled-check', 'opts.maxLenEvents', 'version')) as empty
       ), ${deletions.join(', ')}
       select`,
      [this.#settings.name],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endOrCut(() => this.#pool.end(), this.#sockets);
  }

  /**
   * The store keeps when the last counting check ran, not how often one is made; two that follow each other tell: no
   * less than the interval lies between them. Of several distances the shortest is nearest.
   */
  #learnInterval(lookedAtEpochMs: number | null): void {
    const before = this.#lookedAtEpochMs;
    this.#lookedAtEpochMs = lookedAtEpochMs;
    if (before === null || lookedAtEpochMs === null || lookedAtEpochMs <= before) return;
    this.#intervalMs = Math.min(this.#intervalMs ?? Infinity, lookedAtEpochMs - before);
  }

  #nextLook(lookedAtEpochMs: number | null, nowMs: number, sinceEpochMs: number): number | null {
    if (lookedAtEpochMs === null) return nowMs;
    return this.#intervalMs === null ? null : lookedAtEpochMs + this.#intervalMs + sinceEpochMs;
  }

  #count(message: MessageRef, reading: PostgresReading): number | null {
    const sent = this.#sent.get(message.messageId) ?? {
      task: reading.name ?? this.#settings.task,
      payload: reading.data === null ? undefined : parsed(reading.data),
    };
    const second = reading.candidates.filter((candidate) => isSecondMessage(candidate, message.job, sent));
    const unfinished = ['waiting', 'active', 'delayed'].includes(reading.state);
    return messageCount(unfinished, second.length, reading.searchComplete);
  }

  async #query<R extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return this.#ask(async () => (await this.#pool.query<R>(text, [...values])).rows);
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw schemaError(this.#target, this.#settings.schema, error);
    }
  }
}

function cut(name: string): string {
  return Buffer.from(name).subarray(0, APPLICATION_NAME_BYTES).toString();
}

/** Why nobody knows whether the message was taken; `null` if it was definitely not. */
function uncertainty(error: unknown): string | null {
  if (errorText(error) === 'Query read timeout') return 'PostgreSQL did not answer in time.';
  if (isConnectionLost(error)) return 'The connection to PostgreSQL was lost before its answer came.';
  return null;
}

function refusal(target: PostgresTarget, schema: string, error: unknown): unknown {
  const known = schemaError(target, schema, error);
  return known instanceof UserError ? known : refusedByBullmq(error);
}

/** Besides the errors of every database: BullMQ's tables are not there, or are newer than we understand. */
function schemaError(target: PostgresTarget, schema: string, error: unknown): unknown {
  const state = sqlState(error);
  const missing =
    state === '3F000' ||
    state === '42P01' ||
    (error instanceof Error && error.name === 'SchemaMigrationRequiredError');
  if (missing) {
    return environmentError(
      'broker-schema-missing',
      `The schema ${schema} of BullMQ is not in the database at ${target.broker.address}.`,
      'Start your worker once with `migrate: true` in its connection, or call `runMigrations(client)` of bullmq.',
      error,
    );
  }
  return postgresError(target.broker, error);
}
