/** Why a connection to PostgreSQL did not come about, in words for the user; never with a password. */
import { environmentError, type UserError } from '../core/errors.ts';

interface CodedError {
  readonly code: string;
  readonly message: string;
}

/** @param timeoutMs how long the connection was waited for */
export function describeConnectError(error: unknown, address: string, timeoutMs: number): UserError {
  const { code, message } = coded(error);
  const at = `PostgreSQL at ${address}`;
  const fail = (name: string, text: string, remedy: string): UserError =>
    environmentError(name, text, remedy, error);
  const known = byState(code, message, at, address, fail) ?? byNetwork(code, message, at, address, fail);
  if (known !== null) return known;
  if (code === 'ETIMEDOUT' || /timeout/i.test(message)) {
    return fail(
      'database-timeout',
      `${at} did not answer within ${timeoutMs / 1000} s`,
      'check the host, the port and what stands between',
    );
  }
  return fail('database-failed', `${at} cannot be used: ${message}`, 'see the message above');
}

/** The database went away while it was in use. */
export function describeLostConnection(error: unknown, address: string): UserError {
  return environmentError(
    'database-lost',
    `the connection to PostgreSQL at ${address} was lost: ${coded(error).message}`,
    'see the log of the server, and of a pooler in between',
    error,
  );
}

type Fail = (name: string, text: string, remedy: string) => UserError;

/** What the server says of itself, by SQLSTATE. */
function byState(code: string, message: string, at: string, address: string, fail: Fail): UserError | null {
  switch (code) {
    case '28P01':
      return wrongCredentials(at, fail);
    case '28000':
      return /no encryption|SSL off/i.test(message)
        ? fail(
            'database-tls',
            `${at} accepts encrypted connections only`,
            'append ?sslmode=require to the database URL',
          )
        : fail(
            'database-auth',
            `${at} does not let this user in: ${message}`,
            'correct the user in --database-url, or allow it in pg_hba.conf',
          );
    case '42501':
      return fail(
        'database-auth',
        `${at} does not let this user in: ${message}`,
        'grant the user CONNECT on the database',
      );
    case '3D000':
      return fail(
        'database-unknown',
        `PostgreSQL at ${address.replace(/\/[^/]*$/, '')} has no database "${address.split('/').at(-1) ?? ''}"`,
        'create it (createdb), or correct the name in --database-url (DATABASE_URL)',
      );
    case '53300':
      return fail(
        'database-full',
        `${at} has no connection left: ${message}`,
        'close some, or raise max_connections; a run needs about five',
      );
    case '57P03':
      return fail(
        'database-not-ready',
        `${at} takes no connections now: ${message}`,
        'wait until it has started, and try again',
      );
    default:
      return null;
  }
}

/** What stands between us and the server, by Node's codes. */
function byNetwork(code: string, message: string, at: string, address: string, fail: Fail): UserError | null {
  if (code === 'ECONNREFUSED' || code === 'ENOENT') {
    return fail(
      'database-refused',
      `${at} refused the connection: nothing listens there`,
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
  if (/password must be a string|no password supplied|SASL/i.test(message)) return wrongCredentials(at, fail);
  if (
    /does not support SSL|certificate/i.test(message) ||
    /^(?:ERR_TLS|ERR_SSL|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code)
  ) {
    return fail(
      'database-tls',
      `the encrypted connection to ${at} failed: ${message}`,
      'correct sslmode in the database URL (disable, require, verify-full) or the certificate',
    );
  }
  if (/terminated unexpectedly|ECONNRESET|EPIPE/i.test(`${code} ${message}`)) {
    return fail(
      'database-failed',
      `${at} closed the connection before it was made`,
      'check that a PostgreSQL server listens there, and see its log',
    );
  }
  return null;
}

function wrongCredentials(at: string, fail: Fail): UserError {
  return fail(
    'database-auth',
    `${at} rejected the user or the password`,
    'correct the credentials in --database-url (DATABASE_URL)',
  );
}

function coded(error: unknown): CodedError {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // Node reports a refusal of every address of a name as one aggregate.
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return coded(error.errors[0]);
  return { code, message };
}
