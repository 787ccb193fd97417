/** Reads the history whenever it may have grown, by a connection of its own that is made anew when it breaks. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Database } from './database.ts';
import { channelOf } from './history-objects.ts';
import type { Observer } from './observer.ts';
import { oneAtATime } from './one-at-a-time.ts';

export interface Following {
  readonly suffix: string;
  /** Whether the trigger notifies. */
  readonly notifies: boolean;
  /** Gives the sink what is new. */
  read(query: <Row extends object>(text: string) => Promise<readonly Row[]>): Promise<void>;
  failed(reason: string): void;
}

/** Where nobody is notified: how often the history is read. */
const POLL_INTERVAL_MS = 20;
/** And where we are: a connection can fall silent without an end. */
const SAFETY_INTERVAL_MS = 1_000;
const RECONNECT_PAUSE_MS = 200;
/** How long the server may be away. */
const RECONNECT_LIMIT_MS = 60_000;

export async function followHistory(database: Database, following: Following): Promise<Observer> {
  const closing = new AbortController();
  let lastFailure = '';
  const fail = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    // One word for one trouble, however often it is met.
    if (!closing.signal.aborted && reason !== lastFailure) following.failed(reason);
    lastFailure = reason;
  };
  const follow = (): void => void catchUp().catch(fail);

  const attach = async (client: Client): Promise<Client> => {
    client.on('notification', ({ channel, payload }) => {
      if (channel !== channelOf(following.suffix)) return;
      if (payload !== undefined && payload !== '') fail(`a version was not recorded: ${payload}`);
      follow();
    });
    if (following.notifies) await client.query(`listen ${channelOf(following.suffix)}`);
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
        if (performance.now() > deadline) throw error;
      }
    }
  };
  let connection = Promise.resolve(await attach(await database.connect('listener')));

  const catchUp = oneAtATime(async () => {
    if (closing.signal.aborted) return;
    const client = await connection;
    await following.read(async <Row extends object>(text: string) => (await client.query<Row>(text)).rows);
    lastFailure = '';
  });
  const notified = following.notifies && (await isNotified(database, await connection, following.suffix));
  const timer = setInterval(follow, notified ? SAFETY_INTERVAL_MS : POLL_INTERVAL_MS);
  return {
    source: 'trigger',
    catchUp,
    async [Symbol.asyncDispose]() {
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
