/**
 * Connections to the job table's database: opened with clear words when they cannot be, named, closed without fail.
 *
 * We are a guest there. Whatever a role or database sets for its own sessions must not break ours (short time-outs, a
 * strict isolation level whose locks could make the worker's transactions fail), and nothing that we set may reach
 * anybody else's: through a pooler no session setting is made, as the next client would inherit it.
 */
import { Socket } from 'node:net';
import type { Client, QueryResult, QueryResultRow } from 'pg';
import { describeConnectError, describeLostConnection } from './connect-errors.ts';
import { quoteLiteral } from './quote.ts';

export const OWN_APPLICATION_NAME = 'verify-restart';

export interface Database extends AsyncDisposable {
  readonly url: string;
  /** Host, port and database, without credentials. */
  readonly address: string;
  /**
   * A connection pooler stands between: the process id that was told at the connection is not the backend's. Then a
   * connection does not tell its client, LISTEN may never deliver, and session settings would leak to others.
   */
  readonly pooled: boolean;
  /**
   * Runs one statement on the main connection, which is made anew where it was lost before.
   * @throws UserError `database-lost` where it breaks under the statement: that may or may not have taken effect
   */
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>>;
  /**
   * Runs statements in one transaction of their own, under settings that end with it.
   * @returns the last one's rows
   */
  transact<Row extends QueryResultRow>(
    statements: readonly string[],
    settings?: Readonly<Record<string, string>>,
  ): Promise<Row[]>;
  /** A further connection, closed with the database. */
  connect(purpose: string): Promise<Client>;
}

export interface OpenOptions {
  /** 5,000 by default. */
  readonly connectTimeoutMs?: number;
}

/**
 * @throws UserError `environment`: `database-refused`, `database-auth`, `database-unknown-host`, `database-unknown`,
 *   `database-timeout`, `database-tls`, `database-full`, `database-not-ready`, `database-failed`
 */
export async function openDatabase(
  url: string,
  address: string,
  { connectTimeoutMs = 5_000 }: OpenOptions = {},
): Promise<Database> {
  const open = new Set<Connected>();
  const connect = async (purpose: string): Promise<Connected> => {
    const connected = await connectClient(url, address, purpose, connectTimeoutMs);
    open.add(connected);
    connected.client.once('end', () => open.delete(connected));
    return connected;
  };
  const first = await connect('main');
  let main: Promise<Connected> | null = Promise.resolve(first);
  const onMain = async <Result>(work: (client: Client) => Promise<Result>): Promise<Result> => {
    main ??= connect('main');
    const using = main;
    let connected: Connected;
    try {
      connected = await using;
    } catch (error) {
      if (main === using) main = null;
      throw error;
    }
    try {
      return await work(connected.client);
    } catch (error) {
      if (!isLost(error)) throw error;
      if (main === using) main = null;
      connected.cut();
      throw describeLostConnection(error, address);
    }
  };
  /** One statement at a time: a client that is busy takes the next one, too, but warns on standard error of it. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <Result>(work: (client: Client) => Promise<Result>): Promise<Result> => {
    const next = turn.then(() => onMain(work));
    turn = next.catch(() => undefined);
    return next;
  };
  return {
    url,
    address,
    pooled: first.pooled,
    query: (text, values) =>
      inTurn((client) => client.query(text, values === undefined ? undefined : [...values])),
    async transact<Row extends QueryResultRow>(
      statements: readonly string[],
      settings: Readonly<Record<string, string>> = {},
    ) {
      const local = Object.entries(settings).map(
        ([name, value]) => `set local ${name} to ${quoteLiteral(value)}`,
      );
      // Several statements in one message are one transaction: it leaves nothing open when one of them fails.
      const results: unknown = await inTurn((client) => client.query([...local, ...statements].join(';\n')));
      const last: unknown = Array.isArray(results) ? results.at(-1) : results;
      return (last as QueryResult<Row> | undefined)?.rows ?? [];
    },
    connect: async (purpose) => (await connect(purpose)).client,
    async [Symbol.asyncDispose]() {
      await Promise.all([...open].map((connected) => endClient(connected)));
    },
  };
}

interface Connected {
  readonly client: Client;
  readonly pooled: boolean;
  /** Ends the connection without asking the server. */
  readonly cut: () => void;
}

/** A server that has gone silent must not keep a run for ever. Above every limit that the server itself is given. */
const SILENCE_MS = 25_000;

/**
 * For our sessions only. The limits keep us from waiting for ever behind somebody's lock; `read committed` keeps our
 * reads from taking part in conflicts between serializable transactions. Names that a version lacks are left out.
 */
const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  statement_timeout: '20s',
  lock_timeout: '5s',
  idle_session_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  transaction_timeout: '0',
  default_transaction_isolation: 'read committed',
};

async function connectClient(
  url: string,
  address: string,
  purpose: string,
  timeoutMs: number,
): Promise<Connected> {
  const { Client } = (await import('pg')).default;
  const socket = new Socket();
  try {
    const client = new Client({
      connectionString: url,
      application_name: purpose === 'main' ? OWN_APPLICATION_NAME : `${OWN_APPLICATION_NAME} ${purpose}`,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: SILENCE_MS,
      keepAlive: true,
      stream: () => socket,
    });
    // A connection that breaks while idle is told by the next query; without a listener it would end the process.
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const pooled = !('processID' in client) || client.processID !== rows[0]?.pid;
    if (!pooled) await setUpSession(client);
    return { client, pooled, cut: () => socket.destroy() };
  } catch (error) {
    socket.destroy();
    throw describeConnectError(error, address, timeoutMs);
  }
}

async function setUpSession(client: Client): Promise<void> {
  await client.query(
    `select set_config(s.name, $1::jsonb ->> s.name, false) from pg_settings s where $1::jsonb ? s.name`,
    [JSON.stringify(SESSION_SETTINGS)],
  );
}

/** A server that is gone must not keep the clean-up waiting. */
async function endClient({ client, cut }: Connected): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 1_000);
  });
  await Promise.race([client.end().catch(() => undefined), over]);
  clearTimeout(timer);
  cut();
}

/** The connection is of no use any more, or not to be trusted. */
function isLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (/^(?:57P0[1-5]|08...|25P0[34]|ECONNRESET|EPIPE|ETIMEDOUT)$/.test(code)) return true;
  return /connection (?:terminated|error|closed|ended)|not queryable|client (?:was|has been) closed|query read timeout/i.test(
    error.message,
  );
}
