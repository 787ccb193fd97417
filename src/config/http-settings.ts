/** Settings of an HTTP API: the calls, and where in their answers things are. */
import parseJsonPath from 'jsonpath-rfc9535/parser';
import { usageError } from '../core/errors.ts';
import { DEFAULT_API, DEFAULTS } from './defaults.ts';
import { fromConfig } from './given.ts';
import type { Given, Sources } from './given.ts';
import { STATUS_ROLES } from './settings.ts';
import type { HttpSettings, QueueSettings, Settings, StatusRole } from './settings.ts';

type Configured = NonNullable<Sources['config']['queue']>;

/**
 * The base URL of the API.
 * @throws UserError `api-url-invalid`; the URL itself, which may hold a password, is not repeated.
 */
export function apiUrl(given: Given<string> | undefined, folder: string): Given<string> {
  if (given === undefined) return { value: DEFAULTS.apiUrl, from: 'the default API URL', folder };
  const text = given.value.trim();
  if (isWebUrl(text)) return { ...given, value: text };
  throw usageError(
    'api-url-invalid',
    `${given.from} is no URL of an HTTP API`,
    `write the part before the paths of the calls, such as ${DEFAULTS.apiUrl}`,
  );
}

/** @throws UserError `invalid-json-path`, `path-without-id`, `path-elsewhere`, `invalid-api-path`. */
export function httpSettings(sources: Sources, baseUrl: string): HttpSettings {
  const configured: Configured = sources.config.queue ?? {};
  const check = checksOf(sources, baseUrl);
  const token = sources.variables.VERIFY_RESTART_TOKEN?.value ?? (configured.token || null);
  return {
    token,
    headers: configured.headers ?? {},
    login: loginCall(configured, check),
    submit: submitCall(configured, check),
    status: statusCall(configured, check),
    list: listCall(configured, check),
    remove: removeCall(configured, check),
    health: configured.health === null ? null : check.path('health', configured.health ?? DEFAULT_API.health),
    healthNamed: typeof configured.health === 'string',
    probe: configured.probe === undefined ? null : check.path('probe', configured.probe),
  };
}

interface Checks {
  /** A path whose call carries the token: it must lead to the API itself. */
  path(key: string, value: string): string;
  /** A path of the login, which may be another server's: it is sent the login alone. */
  loginPath(key: string, value: string): string;
  pathWithId(key: string, value: string): string;
  jsonPath(key: string, value: string): string;
}

function checksOf(sources: Sources, baseUrl: string): Checks {
  const named = (key: string): string => fromConfig(sources, `queue.${key}`, true)?.from ?? key;
  const loginPath = (key: string, value: string): string => {
    if (value.startsWith('/') || isWebUrl(value)) return value;
    throw usageError(
      'invalid-api-path',
      `${named(key)} is ${JSON.stringify(value)}, which is no path`,
      'begin it with /; it is appended to queue.url',
    );
  };
  const path = (key: string, value: string): string => {
    loginPath(key, value);
    if (value.startsWith('/') || new URL(value).origin === new URL(baseUrl).origin) return value;
    throw usageError(
      'path-elsewhere',
      `${named(key)} leads to ${new URL(value).host}, which is not the server of queue.url: the token would go there`,
      'name a path of the API, or the URL of that server as queue.url',
    );
  };
  return {
    path,
    loginPath,
    pathWithId(key, value) {
      if (value.includes('{id}')) return path(key, value);
      throw usageError(
        'path-without-id',
        `${named(key)} does not say where the job's id goes`,
        `put {id} in its place, as in ${DEFAULT_API.status.path}`,
      );
    },
    jsonPath(key, value) {
      try {
        parseJsonPath(value);
        return value;
      } catch {
        throw usageError(
          'invalid-json-path',
          `${named(key)} is ${JSON.stringify(value)}, which is no JSON path`,
          "write it as RFC 9535 does: '$.job_id', '$.data.id', '$.jobs[0].id'",
        );
      }
    },
  };
}

function loginCall({ login }: Configured, check: Checks): HttpSettings['login'] {
  if (login === undefined) return null;
  return {
    path: check.loginPath('login.path', login.path ?? DEFAULT_API.login.path),
    body: login.body,
    encoding: login.encoding ?? DEFAULT_API.login.encoding,
    token: check.jsonPath('login.token', login.token ?? DEFAULT_API.login.token),
  };
}

function submitCall({ submit = {} }: Configured, check: Checks): HttpSettings['submit'] {
  return {
    method: submit.method ?? DEFAULT_API.submit.method,
    path: check.path('submit.path', submit.path ?? DEFAULT_API.submit.path),
    filesField: submit.filesField ?? DEFAULT_API.submit.filesField,
    fields: submit.fields ?? DEFAULT_API.submit.fields,
    jobId: check.jsonPath('submit.jobId', submit.jobId ?? DEFAULT_API.submit.jobId),
    taskId: submit.taskId === undefined ? null : check.jsonPath('submit.taskId', submit.taskId),
  };
}

function statusCall({ status = {} }: Configured, check: Checks): HttpSettings['status'] {
  if (status === null) return null;
  const values: Partial<Record<StatusRole, string>> = {};
  for (const role of STATUS_ROLES) {
    values[role] = check.jsonPath(`status.${role}`, status[role] ?? DEFAULT_API.status.values[role]);
  }
  return {
    path: check.pathWithId('status.path', status.path ?? DEFAULT_API.status.path),
    values,
    namedValues: STATUS_ROLES.filter((role) => status[role] !== undefined),
  };
}

function listCall({ list }: Configured, check: Checks): HttpSettings['list'] {
  if (list === undefined) return null;
  return {
    path: check.path('list.path', list.path ?? DEFAULT_API.list.path),
    jobs: check.jsonPath('list.jobs', list.jobs ?? DEFAULT_API.list.jobs),
    id: check.jsonPath('list.id', list.id ?? DEFAULT_API.list.id),
    files: check.jsonPath('list.files', list.files ?? DEFAULT_API.list.files),
  };
}

function removeCall({ remove }: Configured, check: Checks): HttpSettings['remove'] {
  if (remove === undefined) return null;
  return {
    method: remove.method ?? DEFAULT_API.remove.method,
    path: check.pathWithId('remove.path', remove.path ?? DEFAULT_API.remove.path),
  };
}

/** Every credential in the settings of an API. */
export function httpSecrets(http: HttpSettings): readonly string[] {
  const headers = Object.entries(http.headers).flatMap(([name, value]) =>
    /auth|cookie|token|secret|key|session/i.test(name) ? [value, value.replace(/^\S+\s+/, '')] : [],
  );
  const login = Object.entries(http.login?.body ?? {}).flatMap(([name, value]) =>
    typeof value === 'string' && !/^(?:username|user|login|email|grant_type|scope|client_id)$/i.test(name)
      ? [value]
      : [],
  );
  return [...(http.token === null ? [] : [http.token]), ...headers, ...login];
}

/** Where the login goes, if not to the API itself. */
export function loginUrl(sources: Sources, queue: QueueSettings): Given<string> | undefined {
  const path = queue.http?.login?.path;
  return path === undefined || path.startsWith('/')
    ? undefined
    : fromConfig(sources, 'queue.login.path', path);
}

/**
 * What a run through an API can and cannot do.
 * @throws UserError `files-missing-http`, `api-without-status`, `restart-unseen`, `needs-worker-ready`.
 */
export function checkHttpRun(
  http: HttpSettings,
  run: Pick<Settings, 'autoRestart' | 'fileMode' | 'worker'>,
  hasDatabase: boolean,
): void {
  if (run.fileMode === 'missing') {
    throw usageError(
      'files-missing-http',
      '--file-mode missing cannot be used with --queue http: the API is sent the files themselves',
      'leave --file-mode out',
    );
  }
  if (hasDatabase) return;
  if (http.status === null) {
    throw usageError(
      'api-without-status',
      'neither a database is named nor a call that shows a job (queue.status is null), so nothing could be seen of it',
      'set DATABASE_URL, or queue.status in the config file',
    );
  }
  if (!run.autoRestart || run.worker.command === null) {
    throw usageError(
      'restart-unseen',
      'without a database a worker that somebody else restarts cannot be seen, and its restart not be proved',
      "let verify-restart run it, --auto-restart --worker 'node dist/worker.js', or set DATABASE_URL",
    );
  }
  if (run.worker.readyPattern === null) {
    throw usageError(
      'needs-worker-ready',
      'without a database only its output can tell that the worker is ready, and --worker-ready is not given',
      "name a line that it prints: --worker-ready 'ready'",
    );
  }
}

function isWebUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
