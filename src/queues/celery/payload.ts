/** What the configuration's payload template gives for Celery: the arguments of the task and how it is sent. */
import { usageError, type UserError } from '../../core/errors.ts';

export interface TaskCall {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Further headers of the message. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** 0 to 9 on Redis, 0 to 255 on RabbitMQ, as `apply_async(priority=…)` has it. */
  readonly priority: number;
  /** Seconds until a worker may begin. `null`: at once. */
  readonly countdownS: number | null;
  /** Seconds after which a worker drops the message. `null`: never. */
  readonly expiresS: number | null;
}

const KEYS = ['args', 'kwargs', 'headers', 'priority', 'countdown', 'expires'];

/** @throws UserError `payload-invalid`: a malformed message can end a Celery worker, so none is sent on a guess. */
export function readTaskCall(payload: unknown): TaskCall {
  if (Array.isArray(payload)) return readTaskCall({ args: payload });
  if (!isRecord(payload)) throw invalid('it is neither a list nor an object');
  const unknown = Object.keys(payload).filter((key) => !KEYS.includes(key));
  if (unknown.length > 0) throw invalid(`${unknown.join(', ')} is none of its keys`);
  const { args = [], kwargs = {}, headers = {}, priority = 0, countdown, expires } = payload;
  if (!Array.isArray(args)) throw invalid('args is no list');
  if (!isRecord(kwargs)) throw invalid('kwargs is no object');
  if (!isRecord(headers)) throw invalid('headers is no object');
  if (typeof priority !== 'number' || !Number.isInteger(priority) || priority < 0 || priority > 255) {
    throw invalid('priority is no whole number from 0 to 255');
  }
  const call = {
    args,
    kwargs,
    headers,
    priority,
    countdownS: secondsOf(countdown, 'countdown'),
    expiresS: secondsOf(expires, 'expires'),
  };
  try {
    JSON.stringify([args, kwargs, headers]);
  } catch (error) {
    throw invalid(`it cannot be written as JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  return call;
}

function secondsOf(value: unknown, key: string): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw invalid(`${key} is no number of seconds`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string): UserError {
  return usageError(
    'payload-invalid',
    `queue.payload gives what cannot be sent to Celery: ${what}.`,
    `Let it return a list of arguments, or an object with any of ${KEYS.join(', ')}.`,
  );
}
