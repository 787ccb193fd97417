/**
 * Calls to an HTTP API, with its credentials. Redirects are not followed: a token goes to the server that it was given
 * for and to no other. Nothing that leaves here (an answer's text apart) contains a secret.
 */
import { createHash } from 'node:crypto';
import type { HttpSettings } from '../../config/settings.ts';
import { environmentError, type UserError } from '../../core/errors.ts';
import { redactText } from '../../core/redact.ts';
import { errorCode, errorText, networkError, type BrokerName } from '../broker-errors.ts';
import type { Answer } from './answer.ts';

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: FormData | string;
  readonly contentType?: string;
  /** Without headers of ours and without the token: for the login and for what anybody may ask. */
  readonly anonymous?: boolean;
}

/** `never-sent`: the call had no effect. `unknown`: it broke off after it may have taken effect. */
export type Failure = { readonly effect: 'never-sent' | 'unknown'; readonly error: UserError };

export interface Client {
  readonly broker: BrokerName;
  /** An answer, whatever its status, or why there is none. */
  send(call: Call, authorization: string | null): Promise<Answer | Failure>;
  /** Masks every secret that is known. */
  redact(text: string): string;
  addSecret(secret: string): void;
}

export interface ClientOptions {
  /** May hold credentials. */
  readonly baseUrl: string;
  readonly settings: HttpSettings;
  readonly timeoutMs: number;
  readonly onSecret: (secret: string) => void;
}

export function isFailure(result: Answer | Failure): result is Failure {
  return 'effect' in result;
}

export function createClient({ baseUrl, settings, timeoutMs, onSecret }: ClientOptions): Client {
  const base = new URL(baseUrl);
  const secrets = new Set<string>();
  const addSecret = (secret: string): void => {
    secrets.add(secret);
    onSecret(secret);
  };
  const basic = basicAuthorization(base);
  if (basic !== null) addSecret(basic.slice('Basic '.length));
  base.username = '';
  base.password = '';
  const broker: BrokerName = {
    product: 'the API',
    address: `${base.host}${base.pathname === '/' ? '' : base.pathname}`,
    option: 'queue.url (--broker-url)',
    tlsHint: 'https:// (write http://)',
  };

  return {
    broker,
    addSecret,
    redact: (text) => redactText(text, [...secrets]),
    async send(call, authorization) {
      const url = urlOf(base, call.path);
      const name = `${call.method} ${call.path.startsWith('/') ? call.path : url.pathname}`;
      const headers = new Headers(call.anonymous === true ? {} : settings.headers);
      if (!headers.has('accept')) headers.set('accept', 'application/json');
      if (call.contentType !== undefined) headers.set('content-type', call.contentType);
      if (call.anonymous !== true) {
        const credentials = authorization ?? (headers.has('authorization') ? null : basic);
        if (credentials !== null) headers.set('authorization', credentials);
      }
      try {
        const response = await fetch(url, {
          method: call.method,
          headers,
          redirect: 'manual',
          signal: AbortSignal.timeout(timeoutMs),
          ...(call.body === undefined ? {} : { body: call.body }),
        });
        const location = response.headers.get('location');
        return {
          call: name,
          status: response.status,
          contentType: response.headers.get('content-type') ?? '',
          text: await response.text(),
          location: location !== null && URL.canParse(location, url.href) ? new URL(location, url) : null,
        };
      } catch (error) {
        return describeFailure(
          { ...broker, address: call.path.startsWith('/') ? broker.address : url.host },
          name,
          error,
          timeoutMs,
        );
      }
    },
  };
}

/** `{id}` is replaced before. A path is appended to the base, so that `/api/v1` of the base stays. */
function urlOf(base: URL, path: string): URL {
  return path.startsWith('/') ? new URL(`${base.href.replace(/\/+$/, '')}${path}`) : new URL(path);
}

function basicAuthorization({ username, password }: URL): string | null {
  if (username === '' && password === '') return null;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

/** Codes that Node gives before a byte of the call was sent. */
const BEFORE_SENT =
  /^(ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|EACCES|UND_ERR_CONNECT_TIMEOUT|ERR_SSL|ERR_TLS|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/;

function describeFailure(broker: BrokerName, call: string, error: unknown, timeoutMs: number): Failure {
  const cause = causeOf(error);
  const code = errorCode(cause);
  const effect = BEFORE_SENT.test(code) ? 'never-sent' : 'unknown';
  const at = `${broker.product} at ${broker.address}`;
  const isTimeout = error instanceof Error && error.name === 'TimeoutError';
  if (isTimeout || code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT') {
    const text = `${at} did not answer ${call} within ${timeoutMs / 1000} s.`;
    const remedy = 'See whether the service hangs, and whether queue.url names the right host and port.';
    return { effect, error: environmentError('broker-timeout', text, remedy, error) };
  }
  const known = networkError(broker, cause);
  if (known !== null) return { effect, error: known };
  if (code.startsWith('HPE_')) {
    const text = `${at} does not speak HTTP (${code}).`;
    return {
      effect,
      error: environmentError('broker-protocol', text, `Check scheme and port in ${broker.option}.`, error),
    };
  }
  const text = `The connection to ${at} was lost during ${call} (${code === '' ? errorText(cause) : code}).`;
  return {
    effect,
    error: environmentError(
      'broker-connection-lost',
      text,
      'See whether the service is up, and its log.',
      error,
    ),
  };
}

/** fetch hides the reason in a chain of causes; several addresses of a name make an aggregate. */
function causeOf(error: unknown): unknown {
  let found = error;
  while (found instanceof Error && found.cause instanceof Error) found = found.cause;
  if (found instanceof AggregateError && found.errors.length > 0) return causeOf(found.errors[0]);
  return found;
}

/** Equal for equal values, whatever the order of keys that they came in. */
export function digestOf(values: Readonly<Record<string, unknown>>): string {
  const sorted = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('md5').update(JSON.stringify(sorted)).digest('hex');
}
