/** One connection to Redis, made when it is needed and again when it was lost. Never retries by itself. */
import { Redis, type RedisOptions } from 'ioredis';

import { environmentError, usageError, type UserError } from '../../core/errors.ts';
import { brokerTimeout, errorText, networkError, type BrokerName } from '../broker-errors.ts';
import { within } from '../time-limit.ts';
import { CLOSE_TIMEOUT_MS, CONNECT_TIMEOUT_MS, CONNECTION_NAME } from '../limits.ts';

const DEFAULT_URL = 'redis://127.0.0.1:6379';
const OPTION = '--broker-url';

export class RedisConnection {
  readonly broker: BrokerName;
  readonly #url: string;
  readonly #requestTimeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #clients = new Set<Redis>();
  #opening: Promise<Redis> | null = null;
  #closed = false;

  /** @throws UserError `usage` when `url` is no Redis URL. */
  constructor(url: string | null, requestTimeoutMs: number) {
    this.#url = url ?? DEFAULT_URL;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#connectTimeoutMs = Math.min(CONNECT_TIMEOUT_MS, requestTimeoutMs);
    this.broker = {
      product: 'Redis',
      address: redisAddress(this.#url),
      option: OPTION,
      tlsHint: 'rediss:// (instead of redis://)',
    };
  }

  /** @throws UserError `environment`: see `connectError`. */
  async client(): Promise<Redis> {
    if (this.#closed) throw new Error('The queue was closed.');
    const before = this.#opening;
    if (before !== null) {
      const client = await before.catch(() => null);
      if (client?.status === 'ready') return client;
      if (this.#opening === before) this.#opening = null;
    }
    return (this.#opening ??= this.#connect());
  }

  /** Cuts the connection; commands that are under way are rejected. */
  close(): void {
    this.#closed = true;
    for (const client of this.#clients) client.disconnect();
  }

  async #connect(): Promise<Redis> {
    const client = new Redis(this.#url, this.#options());
    this.#clients.add(client);
    client.once('end', () => this.#clients.delete(client));
    let lastError: unknown = null;
    client.on('error', (error) => {
      lastError = error;
    });
    try {
      const outcome = await within(connectAndPing(client), this.#connectTimeoutMs);
      if (outcome === 'timed-out') throw this.#silence();
    } catch (error) {
      client.disconnect();
      throw connectError(this.broker, lastError ?? error);
    }
    return client;
  }

  /** A Redis without TLS takes the beginning of a TLS handshake for a command and waits for the rest of it. */
  #silence(): UserError {
    if (!this.#url.startsWith('rediss:')) return brokerTimeout(this.broker);
    return environmentError(
      'broker-tls',
      `No TLS connection to Redis at ${this.broker.address} came about in time.`,
      `If the server speaks no TLS, use redis:// in ${OPTION}; otherwise check that it is alive.`,
    );
  }

  #options(): RedisOptions {
    return {
      lazyConnect: true,
      connectionName: CONNECTION_NAME,
      connectTimeout: this.#connectTimeoutMs,
      disconnectTimeout: CLOSE_TIMEOUT_MS,
      commandTimeout: this.#requestTimeoutMs,
      retryStrategy: () => null,
      enableOfflineQueue: false,
      // The check would send INFO, and print a warning where that is not allowed.
      enableReadyCheck: false,
    };
  }
}

/** ioredis calls itself ready although a password was refused: the first command tells. */
async function connectAndPing(client: Redis): Promise<void> {
  await client.connect();
  try {
    await client.ping();
  } catch (error) {
    if (!errorText(error).startsWith('NOPERM')) throw error;
  }
}

/** Host and port, or the socket's path; no credentials. */
function redisAddress(url: string): string {
  if (url.startsWith('/')) return url.replace(/\?.*$/, '');
  const location = URL.canParse(url) ? new URL(url) : null;
  if (location === null || !/^rediss?:$/.test(location.protocol)) {
    throw usageError(
      'broker-url-invalid',
      `${OPTION} is no URL of a Redis server.`,
      'It looks like redis://127.0.0.1:6379/0, or rediss://… for TLS, or is the path of a socket. For BullMQ on PostgreSQL add --queue-backend postgres.',
    );
  }
  const database = location.pathname.replace(/^\/+/, '');
  const port = location.port === '' ? '6379' : location.port;
  return `${location.hostname}:${port}${database === '' || database === '0' ? '' : `/${database}`}`;
}

/** Why a connection did not come about, or a command on a new connection was refused. */
export function connectError(broker: BrokerName, error: unknown): unknown {
  const text = errorText(error);
  const at = `${broker.product} at ${broker.address}`;
  const known = networkError(broker, error) ?? replyError(broker, error);
  if (known !== null) return known;
  if (text === 'Command timed out') return brokerTimeout(broker, error);
  if (isConnectionLost(error) || /Protocol error/i.test(text)) {
    return environmentError(
      'broker-closed',
      `${at} closed the connection at once.`,
      `It may expect TLS: try rediss:// in ${OPTION}. Or it has reached its limit of clients.`,
      error,
    );
  }
  return error;
}

/** An answer of Redis that says that nothing was done, and why; `null` for any other. */
export function replyError(broker: BrokerName, error: unknown): UserError | null {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return null;
  const text = error.message;
  // A script is denied one of its commands: those before it were done.
  if (text.startsWith('NOPERM') && /\bscript\b/.test(text)) return null;
  const at = `${broker.product} at ${broker.address}`;
  switch (/^\w+/.exec(text)?.[0] ?? '') {
    case 'NOAUTH':
      return environmentError(
        'broker-auth',
        `${at} wants a password.`,
        `Put it into ${OPTION}: redis://:password@host:port.`,
        error,
      );
    case 'WRONGPASS':
      return environmentError(
        'broker-auth',
        `${at} refused the user name or the password.`,
        `Check both in ${OPTION}; special characters in them must be percent-encoded.`,
        error,
      );
    case 'NOPERM':
      return environmentError(
        'broker-permission',
        `${at}: its user may not do this (${withoutArguments(text)}).`,
        `Use in ${OPTION} the user that the worker uses.`,
        error,
      );
    case 'LOADING':
      return environmentError(
        'broker-loading',
        `${at} is still loading its data.`,
        'Try again shortly.',
        error,
      );
    case 'READONLY':
      return readOnly(broker, error);
    case 'OOM':
      return environmentError(
        'broker-full',
        `${at} has reached its maxmemory and takes no more.`,
        'Raise maxmemory or remove data.',
        error,
      );
    case 'MISCONF':
    case 'NOREPLICAS':
    case 'MASTERDOWN':
    case 'CLUSTERDOWN':
    case 'BUSY':
      return environmentError('broker-refuses', `${at} takes no commands now (${text}).`, undefined, error);
    default:
  }
  if (/invalid password/i.test(text)) {
    return environmentError('broker-auth', `${at} refused the password.`, `Check it in ${OPTION}.`, error);
  }
  return null;
}

export function readOnly(broker: BrokerName, cause?: unknown): UserError {
  return environmentError(
    'broker-read-only',
    `${broker.product} at ${broker.address} is a read-only replica.`,
    `Name the primary server by ${broker.option}.`,
    cause,
  );
}

/** ioredis could not even send the command: nothing was done. */
export function isNotSent(error: unknown): boolean {
  return errorText(error).startsWith("Stream isn't writeable");
}

/** The connection ended while the command was under way. */
export function isConnectionLost(error: unknown): boolean {
  const text = errorText(error);
  return (
    text === 'Connection is closed.' ||
    text.startsWith('Command aborted') ||
    /\b(ECONNRESET|EPIPE)\b/.test(text)
  );
}

/** NOPERM names the command or the key, in quotes: fit to print, unless it is long. */
function withoutArguments(text: string): string {
  return text.slice(0, 200);
}
