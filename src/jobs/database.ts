/** Connections to the job table's database: opened with clear words when they cannot be, named, closed without fail. */
import type { Client, QueryResult, QueryResultRow } from 'pg';
import { environmentError, type UserError } from '../core/errors.ts';

export const OWN_APPLICATION_NAME = 'verify-restart';

export interface Database extends AsyncDisposable {
  readonly url: string;
  /** Host, port and database, without credentials. */
  readonly address: string;
  /** Runs one statement on the main connection. */
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>>;
  /** Runs statements in one transaction in which times are shown in UTC and ISO 8601, and returns the last one's rows. */
  inUtc<Row extends QueryResultRow>(statement: string): Promise<Row[]>;
  /** A further connection, closed with the database. */
  connect(purpose: string): Promise<Client>;
}

/**
 * @throws UserError `environment`: `database-refused`, `database-auth`, `database-unknown-host`, `database-unknown`,
 *   `database-timeout`, `database-tls`
 */
export async function openDatabase(url: string, address: string): Promise<Database> {
  const clients: Client[] = [];
  const connect = async (purpose: string): Promise<Client> => {
    const client = await connectClient(url, address, purpose);
    clients.push(client);
    return client;
  };
  const main = await connect('main');
  return {
    url,
    address,
    query: (text, values) => main.query(text, values === undefined ? undefined : [...values]),
    async inUtc<Row extends QueryResultRow>(statement: string) {
      const settings = `set local timezone to 'UTC'; set local datestyle to 'ISO'`;
      const results = (await main.query(
        `begin; ${settings}; ${statement}; commit`,
      )) as unknown as QueryResult<Row>[];
      return results.at(-2)?.rows ?? [];
    },
    connect,
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => endClient(client)));
    },
  };
}

const CONNECT_TIMEOUT_MS = 5_000;

async function connectClient(url: string, address: string, purpose: string): Promise<Client> {
  const { Client } = (await import('pg')).default;
  try {
    const client = new Client({
      connectionString: url,
      application_name: purpose === 'main' ? OWN_APPLICATION_NAME : `${OWN_APPLICATION_NAME} ${purpose}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    // A connection that breaks while idle is told by the next query; without a listener it would end the process.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  } catch (error) {
    throw describeConnectError(error, address);
  }
}

/** A server that is gone must not keep the clean-up waiting. */
async function endClient(client: Client): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 1_000);
  });
  await Promise.race([client.end().catch(() => undefined), over]);
  clearTimeout(timer);
}

interface CodedError {
  readonly code: string;
  readonly message: string;
}

function coded(error: unknown): CodedError {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // Node reports a refusal of every address of a name as one aggregate.
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return coded(error.errors[0]);
  return { code, message };
}

function describeConnectError(error: unknown, address: string): UserError {
  const { code, message } = coded(error);
  const fail = (name: string, text: string, remedy: string): UserError =>
    environmentError(name, text, remedy, error);
  if (code === 'ECONNREFUSED' || code === 'ENOENT') {
    return fail(
      'database-refused',
      `PostgreSQL at ${address} refused the connection: nothing listens there`,
      'start the server, or correct --database-url (DATABASE_URL)',
    );
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fail(
      'database-unknown-host',
      `the host of ${address} is unknown`,
      'correct the host in --database-url (DATABASE_URL)',
    );
  }
  if (code === '28P01' || /password must be a string|no password supplied|SASL/i.test(message)) {
    return fail(
      'database-auth',
      `PostgreSQL at ${address} rejected the user or the password`,
      'correct the credentials in --database-url (DATABASE_URL)',
    );
  }
  if (code === '28000') {
    const tls = /no encryption|SSL off/i.test(message);
    return tls
      ? fail(
          'database-tls',
          `PostgreSQL at ${address} accepts encrypted connections only`,
          'append ?sslmode=require to the database URL',
        )
      : fail(
          'database-auth',
          `PostgreSQL at ${address} does not let this user in: ${message}`,
          'correct the user in --database-url, or allow it in pg_hba.conf',
        );
  }
  if (code === '3D000') {
    return fail(
      'database-unknown',
      `PostgreSQL at ${address.replace(/\/[^/]*$/, '')} has no database "${address.split('/').at(-1) ?? ''}"`,
      'create it (createdb), or correct the name in --database-url (DATABASE_URL)',
    );
  }
  if (/does not support SSL/i.test(message) || code.startsWith('ERR_TLS') || /certificate/i.test(message)) {
    return fail(
      'database-tls',
      `the encrypted connection to PostgreSQL at ${address} failed: ${message}`,
      'correct sslmode in the database URL (disable, require, verify-full) or the certificate',
    );
  }
  if (code === 'ETIMEDOUT' || /timeout/i.test(message)) {
    return fail(
      'database-timeout',
      `PostgreSQL at ${address} did not answer within ${CONNECT_TIMEOUT_MS / 1000} s`,
      'check the host, the port and what stands between',
    );
  }
  return fail(
    'database-failed',
    `PostgreSQL at ${address} cannot be used: ${message}`,
    'see the message above',
  );
}
