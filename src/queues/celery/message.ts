/**
 * Celery's messages, by its message protocol 2, and the envelope that kombu wraps them in on Redis.
 *
 * A worker trusts what it is sent: a message without `delivery_tag` or `delivery_info`, or with a body of another
 * shape, ends its process. So all fields that `apply_async` writes are written, and nothing else is ever sent.
 * (celery/app/amqp.py `as_task_v2`, kombu/transport/virtual/base.py `Channel.prepare_message` and `_inplace_augment_message`.)
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { TaskCall } from './payload.ts';

export interface TaskMessage {
  readonly id: string;
  readonly headers: Readonly<Record<string, unknown>>;
  /** JSON text of `[args, kwargs, embed]`. */
  readonly body: string;
  readonly priority: number;
  readonly replyTo: string;
}

/** What argsrepr and kwargsrepr show of the arguments at most, as in Celery. */
const SHOWN_LENGTH = 1_024;

export function taskMessage(id: string, task: string, call: TaskCall, nowEpochMs: number): TaskMessage {
  const inSeconds = (seconds: number | null): string | null =>
    seconds === null ? null : new Date(nowEpochMs + seconds * 1000).toISOString().replace('Z', '+00:00');
  return {
    id,
    headers: {
      lang: 'js',
      shadow: null,
      eta: inSeconds(call.countdownS),
      expires: inSeconds(call.expiresS),
      group: null,
      group_index: null,
      retries: 0,
      timelimit: [null, null],
      root_id: id,
      parent_id: null,
      argsrepr: shown(call.args),
      kwargsrepr: shown(call.kwargs),
      origin: `verify-restart@${hostname()}`,
      ignore_result: true,
      ...call.headers,
      task,
      id,
    },
    body: JSON.stringify([
      call.args,
      call.kwargs,
      { callbacks: null, errbacks: null, chain: null, chord: null },
    ]),
    priority: call.priority,
    replyTo: randomUUID(),
  };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text;
}

/** The envelope of a task on Redis. The task's id is the delivery tag too: both are unique, and one finds the other. */
export function taskEnvelope(message: TaskMessage, queueName: string): string {
  return envelope({
    body: message.body,
    headers: message.headers,
    exchange: '',
    routingKey: queueName,
    priority: message.priority,
    deliveryMode: 2,
    deliveryTag: message.id,
    properties: { correlation_id: message.id, reply_to: message.replyTo },
  });
}

export interface EnvelopeParts {
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly exchange: string;
  readonly routingKey: string;
  readonly priority: number;
  /** 1: transient, 2: persistent. */
  readonly deliveryMode: 1 | 2;
  readonly deliveryTag: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

export function envelope(parts: EnvelopeParts): string {
  return JSON.stringify({
    body: Buffer.from(parts.body).toString('base64'),
    'content-encoding': 'utf-8',
    'content-type': 'application/json',
    headers: parts.headers,
    properties: {
      ...parts.properties,
      delivery_mode: parts.deliveryMode,
      delivery_info: { exchange: parts.exchange, routing_key: parts.routingKey },
      priority: parts.priority,
      body_encoding: 'base64',
      delivery_tag: parts.deliveryTag,
    },
  });
}

/** A message of Celery's as it lies in Redis, as far as it concerns us. */
export interface StoredMessage {
  readonly id: string;
  readonly task: string;
  readonly parentId: string | null;
  /** The task that all of this began with; its own id where it is that one. */
  readonly rootId: string | null;
  readonly retries: number;
  /** ISO 8601; `null`: at once. */
  readonly eta: string | null;
  readonly deliveryTag: string;
  readonly redelivered: boolean;
  /** `[args, kwargs]`; `undefined` where they cannot be read (another serializer). */
  readonly call: readonly unknown[] | undefined;
}

/** @returns `null` for what is no message of Celery's */
export function readStoredMessage(text: string): StoredMessage | null {
  const envelope = asRecord(parsed(text));
  const headers = asRecord(envelope?.['headers']);
  const properties = asRecord(envelope?.['properties']);
  const { id, task, parent_id: parentId, root_id: rootId, retries, eta } = headers ?? {};
  if (typeof id !== 'string' || typeof task !== 'string') return null;
  const info = asRecord(properties?.['delivery_info']);
  const tag = properties?.['delivery_tag'];
  return {
    id,
    task,
    parentId: typeof parentId === 'string' ? parentId : null,
    rootId: typeof rootId === 'string' ? rootId : null,
    retries: typeof retries === 'number' ? retries : 0,
    eta: typeof eta === 'string' ? eta : null,
    deliveryTag: typeof tag === 'string' ? tag : '',
    redelivered: info?.['redelivered'] === true || headers?.['redelivered'] === true,
    call: readCall(envelope?.['body'], properties?.['body_encoding']),
  };
}

function readCall(body: unknown, encoding: unknown): readonly unknown[] | undefined {
  if (typeof body !== 'string') return undefined;
  const value = parsed(encoding === 'base64' ? Buffer.from(body, 'base64').toString() : body);
  return Array.isArray(value) ? value.slice(0, 2) : undefined;
}

export function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

export function asRecord(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}
