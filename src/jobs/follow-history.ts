/** Reads the history whenever it may have grown, by a connection of its own that is made anew when it breaks. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Database } from './database.ts';
import { channelOf } from './history-objects.ts';
import { oneAtATime } from './one-at-a-time.ts';
import type { QueryRows } from './read-history.ts';

export interface FollowOptions {
  readonly suffix: string;
  /** Whether the trigger notifies. */
  readonly notifies: boolean;
  /** Gives the sink what is new. */
  readonly read: (query: QueryRows) => Promise<void>;
  readonly failed: (reason: string) => void;
}

export interface Following {
  /** Resolves when everything that was committed before the call has been read. */
  readonly catchUp: () => Promise<void>;
  /** Why the history cannot be read any more; `null`: it can. */
  readonly lost: () => Error | null;
  readonly end: () => Promise<void>;
}

/** Where nobody is notified: how often the history is read. */
const POLL_INTERVAL_MS = 20;
/** And where we are: a connection can fall silent without an end. */
const SAFETY_INTERVAL_MS = 1_000;
const RECONNECT_PAUSE_MS = 200;
/** How long the server may be away. */
const RECONNECT_LIMIT_MS = 60_000;

export async function followHistory(database: Database, options: FollowOptions): Promise<Following> {
  const closing = new AbortController();
  let lastFailure = '';
  let lost: Error | null = null;
  const fail = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    // One word for one trouble, however often it is met.
    if (!closing.signal.aborted && reason !== lastFailure) options.failed(reason);
    lastFailure = reason;
  };
  const follow = (): void => void catchUp().catch(fail);

  const attach = async (client: Client): Promise<Client> => {
    client.on('notification', ({ channel, payload }) => {
      if (channel !== channelOf(options.suffix)) return;
      if (payload !== undefined && payload !== '') fail(`a version was not recorded: ${payload}`);
      follow();
    });
    if (options.notifies) await client.query(`listen ${channelOf(options.suffix)}`);
    client.once('end', () => {
      if (closing.signal.aborted) return;
      connection = reconnect();
      connection.then(follow, fail);
    });
    return client;
  };
  const reconnect = async (): Promise<Client> => {
    const deadline = performance.now() + RECONNECT_LIMIT_MS;
    for (;;) {
      await delay(RECONNECT_PAUSE_MS, undefined, { signal: closing.signal });
      try {
        return await attach(await database.connect('listener'));
      } catch (error) {
        if (performance.now() <= deadline) continue;
        lost = error instanceof Error ? error : new Error(String(error));
        throw lost;
      }
    }
  };
  let connection = Promise.resolve(await attach(await database.connect('listener')));

  const catchUp = oneAtATime(async () => {
    if (closing.signal.aborted) return;
    const client = await connection;
    await options.read(async <Row extends object>(text: string) => (await client.query<Row>(text)).rows);
    lastFailure = '';
  });
  const notified = options.notifies && (await isNotified(database, await connection, options.suffix));
  const timer = setInterval(follow, notified ? SAFETY_INTERVAL_MS : POLL_INTERVAL_MS);
  return {
    catchUp,
    lost: () => lost,
    async end() {
      closing.abort();
      clearInterval(timer);
      await catchUp().catch(() => undefined);
    },
  };
}

/**
 * Only a notification that arrives proves that they do. It is sent by another connection, as a pooler may hand our own
 * back to us.
 */
async function isNotified(database: Database, listener: Client, suffix: string): Promise<boolean> {
  let onNotification = (): void => undefined;
  let timer: NodeJS.Timeout | undefined;
  const arrived = new Promise<boolean>((resolve) => {
    onNotification = () => resolve(true);
    timer = setTimeout(() => resolve(false), 1_000);
  });
  listener.on('notification', onNotification);
  try {
    await database.query(`notify ${channelOf(suffix)}`);
    return await arrived;
  } finally {
    clearTimeout(timer);
    listener.off('notification', onNotification);
  }
}
