/** Connections to the PostgreSQL that holds BullMQ's schema: lazily made, never outliving their owner. */
import { Socket } from 'node:net';

import type { PoolConfig } from 'pg';
import { parse, toClientConfig } from 'pg-connection-string';

import { environmentError, usageError, type UserError } from '../../core/errors.ts';
import { brokerTimeout, errorCode, errorText, networkError, type BrokerName } from '../broker-errors.ts';
import { within } from '../time-limit.ts';
import { CLOSE_TIMEOUT_MS, CONNECT_TIMEOUT_MS, CONNECTION_NAME } from '../limits.ts';

/**
 * A statement that waits for a lock is ended by the server at the request's time-out: definitely without effect. Only
 * a server that does not answer at all is given up by us, this much later.
 */
const SILENCE_MS = 1_000;
const OPTION = '--broker-url (by default the database URL)';

export interface PostgresTarget {
  readonly broker: BrokerName;
  readonly config: PostgresConfig;
}

/** What both `pg.Pool` and BullMQ accept. What is absent, pg takes from its own environment variables. */
export type PostgresConfig = Pick<PoolConfig, 'ssl' | 'options'> & {
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly application_name: string;
  readonly statement_timeout: number;
  readonly query_timeout: number;
  readonly connectionTimeoutMillis: number;
};

/** @throws UserError `usage`: no URL, or one of another system. */
export function postgresTarget(url: string | null, requestTimeoutMs: number): PostgresTarget {
  if (url === null) {
    throw usageError(
      'broker-url-missing',
      'BullMQ on PostgreSQL needs the URL of its database, and neither a broker nor a database URL is given.',
      'Give --database-url or --broker-url, as postgresql://user:password@host:5432/database.',
    );
  }
  if (!/^(postgres(ql)?|socket):|^\//.test(url)) {
    throw usageError(
      'broker-url-invalid',
      `${OPTION} is no URL of a PostgreSQL server.`,
      'It looks like postgresql://user:password@host:5432/database. For BullMQ on Redis use --queue-backend redis.',
    );
  }
  const config: PostgresConfig = {
    ...location(url),
    application_name: CONNECTION_NAME,
    statement_timeout: requestTimeoutMs,
    query_timeout: requestTimeoutMs + SILENCE_MS,
    connectionTimeoutMillis: Math.min(CONNECT_TIMEOUT_MS, requestTimeoutMs),
  };
  const host = config.host ?? 'localhost';
  return {
    config,
    broker: {
      product: 'PostgreSQL',
      address: `${host}${host.startsWith('/') ? '' : `:${config.port ?? 5432}`}/${config.database ?? ''}`,
      option: OPTION,
      tlsHint: 'sslmode',
    },
  };
}

type Location = Pick<PostgresConfig, 'host' | 'port' | 'user' | 'password' | 'database' | 'ssl' | 'options'>;

function location(url: string): Location {
  try {
    const { host, port, user, password, database, ssl, options } = toClientConfig(parse(url));
    return {
      ...(host === undefined || host === '' ? {} : { host }),
      ...(port === undefined ? {} : { port }),
      ...(user === undefined || user === '' ? {} : { user }),
      ...(typeof password !== 'string' || password === '' ? {} : { password }),
      ...(database === undefined || database === '' ? {} : { database }),
      ...(ssl === undefined ? {} : { ssl }),
      ...(options === undefined ? {} : { options }),
    };
  } catch {
    throw usageError(
      'broker-url-invalid',
      `${OPTION} cannot be read as a URL.`,
      'Special characters in a user name or password must be percent-encoded.',
    );
  }
}

/** Sockets for one pool, so that all of them can be cut where a goodbye would wait for a dead server. */
export interface Sockets {
  readonly stream: () => Socket;
  cut(): void;
}

export function trackedSockets(): Sockets {
  const sockets = new Set<Socket>();
  return {
    stream() {
      const socket = new Socket();
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Ends what `end` ends, politely for a moment, then by force. */
export async function endOrCut(end: () => Promise<void>, sockets: Sockets): Promise<void> {
  await within(
    end().catch(() => undefined),
    CLOSE_TIMEOUT_MS,
  );
  sockets.cut();
}

/** What an error of PostgreSQL or of the connection to it means; errors that mean none of these as they are. */
export function postgresError(broker: BrokerName, error: unknown): unknown {
  const { address } = broker;
  const at = `PostgreSQL at ${address}`;
  const text = errorText(error);
  const network = networkError(broker, error);
  if (network !== null) return network;
  switch (sqlState(error)) {
    case '28P01':
      return authError(at, error);
    case '28000':
      return /no encryption|SSL off/i.test(text)
        ? tlsError(`${at} wants TLS.`, `Add ?sslmode=require to ${OPTION}.`, error)
        : authError(at, error);
    case '3D000':
      return environmentError(
        'broker-unknown-database',
        `${at}: there is no such database.`,
        `Check the database's name in ${OPTION}.`,
        error,
      );
    case '42501':
      return environmentError(
        'broker-permission',
        `${at}: the user may not do this (${text}).`,
        `Use in ${OPTION} the user that the worker uses.`,
        error,
      );
    case '53300':
      return environmentError(
        'broker-full',
        `${at} has no connection left.`,
        'Raise max_connections or close some.',
        error,
      );
    case '57P03':
      return environmentError('broker-loading', `${at} is starting up.`, 'Try again shortly.', error);
    case '25006':
      return environmentError(
        'broker-read-only',
        `${at} is read-only.`,
        `Name the primary server by ${OPTION}.`,
        error,
      );
    case '57014':
      return environmentError(
        'broker-timeout',
        `${at} ended our statement after its time: something holds a lock on BullMQ's tables.`,
        'Look for long transactions in pg_stat_activity.',
        error,
      );
    default:
  }
  if (/does not support SSL/i.test(text)) {
    return tlsError(`${at} speaks no TLS.`, `Leave sslmode out of ${OPTION}.`, error);
  }
  if (/client password must be a string|SASL/i.test(text)) return authError(at, error);
  if (/timeout|timed out/i.test(text)) return brokerTimeout(broker, error);
  if (isConnectionLost(error)) {
    return environmentError(
      'broker-connection-lost',
      `The connection to ${at} was lost.`,
      'Check that the server is alive.',
      error,
    );
  }
  return error;
}

/** The SQLSTATE of an error that the server sent; empty for any other. */
export function sqlState(error: unknown): string {
  return error instanceof Error && 'severity' in error ? errorCode(error) : '';
}

/** An error of the server after which the statement may yet have taken effect: the connection or the server went down. */
export function isConnectionLost(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== '') return state.startsWith('08') || /^57P0[1-5]$/.test(state) || state === '40003';
  return /connection (terminated|error)|not queryable|ECONNRESET|EPIPE/i.test(errorText(error));
}

function authError(at: string, cause: unknown): UserError {
  return environmentError(
    'broker-auth',
    `${at} refused the user name or the password.`,
    `Check both in ${OPTION}; special characters in them must be percent-encoded.`,
    cause,
  );
}

function tlsError(message: string, remedy: string, cause: unknown): UserError {
  return environmentError('broker-tls', message, remedy, cause);
}
