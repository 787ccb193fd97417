/** Commands to Redis with their errors in words, and what is known of a command that broke off. */
import type { Redis } from 'ioredis';
import { environmentError, UserError } from '../../core/errors.ts';
import { errorText } from '../broker-errors.ts';
import { connectError, isConnectionLost, isNotSent, replyError, type RedisConnection } from './connection.ts';

/** @throws UserError `environment`; anything else is a bug and comes as it is */
export async function askRedis<T>(
  connection: RedisConnection,
  work: (client: Redis) => Promise<T>,
): Promise<T> {
  const client = await connection.client();
  try {
    return await work(client);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw isNotSent(error) || isConnectionLost(error)
      ? connectionLost(connection, error)
      : connectError(connection.broker, error);
  }
}

/** Why nobody knows whether a message was taken; `null` if it was definitely not. */
export function uncertainty(connection: RedisConnection, error: unknown): string | null {
  if (isNotSent(error)) return null;
  if (errorText(error) === 'Command timed out') return 'Redis did not answer in time.';
  if (isConnectionLost(error)) return 'The connection to Redis was lost before its answer came.';
  if (
    error instanceof Error &&
    error.name === 'ReplyError' &&
    replyError(connection.broker, error) === null
  ) {
    return `Redis broke off while it added the message: ${error.message}`;
  }
  return null;
}

export function connectionLost(connection: RedisConnection, cause?: unknown): UserError {
  return environmentError(
    'broker-connection-lost',
    `The connection to Redis at ${connection.broker.address} was lost.`,
    'Check that the server is alive.',
    cause,
  );
}

/** The answers of a transaction, in order. @throws the first error among them */
export function answersOf(results: [error: Error | null, result: unknown][] | null): readonly unknown[] {
  return (results ?? []).map(([error, value]) => {
    if (error !== null) throw error;
    return value;
  });
}
