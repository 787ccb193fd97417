/** Settings of the queue and of the database, whose URLs belong together: BullMQ can live in either server. */
import { usageError } from '../core/errors.ts';
import type { UserError } from '../core/errors.ts';
import { normaliseCeleryUrl, normaliseRedisUrl } from './broker-url.ts';
import { parseChoice } from './choice.ts';
import { normaliseDatabaseUrl } from './database-url.ts';
import { DEFAULTS, defaultPayload, defaultQueueName } from './defaults.ts';
import { fromConfig, fromFlag, read } from './given.ts';
import type { Given, Sources } from './given.ts';
import { apiUrl, httpSettings } from './http-settings.ts';
import type { QueueBackend, QueueKind, QueueSettings } from './settings.ts';

const QUEUE_KINDS = [
  'bullmq',
  'celery',
  'http',
  'sql',
  'command',
  'none',
] as const satisfies readonly QueueKind[];
const QUEUE_BACKENDS = ['redis', 'postgres'] as const satisfies readonly QueueBackend[];

/** The normalised URL of the job table's database; `undefined` where nothing gives one. */
export function databaseUrl(sources: Sources): Given<string> | undefined {
  const given =
    fromFlag(sources, '--database-url', sources.flags.databaseUrl) ??
    sources.variables.DATABASE_URL ??
    fromConfig(sources, 'database.url', sources.config.database?.url || undefined);
  if (given === undefined) return undefined;
  const url = normaliseDatabaseUrl(given.value, { option: given.from, env: sources.env });
  return { ...given, value: url };
}

export function noDatabaseUrl(): UserError {
  return usageError(
    'no-database-url',
    'no database is named: neither --database-url nor DATABASE_URL (environment or .env) nor database.url in a config file is set',
    'set DATABASE_URL=postgres://user:password@127.0.0.1:5432/database, or see it work without any: verify-restart demo',
  );
}

export function queueKind(sources: Sources): Given<QueueKind> {
  const given =
    fromFlag(sources, '--queue', sources.flags.queue) ??
    fromConfig(sources, 'queue.kind', sources.config.queue?.kind);
  if (given === undefined) return { value: DEFAULTS.queue, from: 'the default', folder: sources.cwd };
  return { ...given, value: parseChoice(given.value, QUEUE_KINDS, given.from) };
}

/** @returns the settings, and where the queue's URL came from, for messages about it. */
export function queueSettings(
  sources: Sources,
  kind: QueueKind,
  database: Given<string> | undefined,
): { readonly queue: QueueSettings; readonly url: Given<string> | undefined } {
  const { flags, config } = sources;
  const configured = config.queue ?? {};
  const backend = read(
    fromFlag(sources, '--queue-backend', flags.queueBackend) ??
      fromConfig(sources, 'queue.backend', configured.backend),
    (value, from) => parseChoice(value, QUEUE_BACKENDS, from),
    DEFAULTS.queueBackend,
  );
  const url = brokerUrl(sources, kind, backend, database);
  const queue: QueueSettings = {
    kind,
    backend,
    url: url?.value ?? null,
    name: read(
      fromFlag(sources, '--queue-name', flags.queueName) ??
        fromConfig(sources, 'queue.name', configured.name),
      parseName,
      defaultQueueName(kind),
    ),
    task: read(
      fromFlag(sources, '--task', flags.task) ?? fromConfig(sources, 'queue.task', configured.task),
      parseName,
      DEFAULTS.task,
    ),
    payload: configured.payload ?? defaultPayload(kind),
    prefix: configured.prefix ?? (kind === 'celery' ? '' : DEFAULTS.prefix),
    schema: configured.schema ?? DEFAULTS.schema,
    ...(kind === 'http' ? { http: httpSettings(sources, url?.value ?? DEFAULTS.apiUrl) } : {}),
  };
  return { queue, url };
}

/**
 * Which variables count depends on the queue: a REDIS_URL set for a cache says nothing of a queue on PostgreSQL, and
 * a Celery system's REDIS_URL is often its cache, so CELERY_BROKER_URL comes first there.
 */
function brokerUrl(
  sources: Sources,
  kind: QueueKind,
  backend: QueueBackend,
  database: Given<string> | undefined,
): Given<string> | undefined {
  const flag = fromFlag(sources, '--broker-url', sources.flags.brokerUrl);
  const configured = fromConfig(sources, 'queue.url', sources.config.queue?.url || undefined);
  const redisDefault: Given<string> = {
    value: DEFAULTS.redisUrl,
    from: 'the default broker URL',
    folder: sources.cwd,
  };
  switch (kind) {
    case 'bullmq': {
      if (backend === 'postgres') {
        const own = flag ?? configured;
        if (own === undefined) return database;
        return { ...own, value: normaliseDatabaseUrl(own.value, { option: own.from, env: sources.env }) };
      }
      const given = flag ?? sources.variables.REDIS_URL ?? configured ?? redisDefault;
      return { ...given, value: normaliseRedisUrl(given.value, given.from) };
    }
    case 'celery': {
      const given = flag ??
        sources.variables.CELERY_BROKER_URL ??
        sources.variables.REDIS_URL ??
        configured ?? { ...redisDefault, value: DEFAULTS.celeryUrl };
      return { ...given, value: normaliseCeleryUrl(given.value, given.from) };
    }
    case 'http':
      return apiUrl(flag ?? configured, sources.cwd);
    case 'sql':
    case 'command':
    case 'none':
      return flag ?? configured;
  }
}

function parseName(text: string, option: string): string {
  if (text.trim() !== '') return text;
  throw usageError('invalid-name', `${option} is empty`, 'give a name, or leave the option out');
}
