/**
 * A service's own HTTP API in a queue's place: jobs are submitted as the service's users do it, and the service makes
 * row and message itself. What an API does not show (the message, its holder, the consumers) is answered by `null`.
 */
import { randomUUID } from 'node:crypto';
import { httpSecrets } from '../../config/http-settings.ts';
import type { HttpSettings, QueueSettings } from '../../config/settings.ts';
import { environmentError, usageError } from '../../core/errors.ts';
import type { BrokerInfo, JobApi, Queue, QueueCheck, QueueContext } from '../queue.ts';
import { createClient, isFailure, type Client } from './client.ts';
import { listJobs, readJob, withId } from './job-status.ts';
import { refusal } from './refusals.ts';
import { openSession, type Session } from './session.ts';
import { submitFiles } from './submit.ts';

const DEFAULT_REQUEST_TIMEOUT_MS = 10_000;

/** @throws UserError `usage` without the settings of an API */
export function openHttp(settings: QueueSettings, context: QueueContext): Queue {
  const { http, url } = settings;
  if (http === undefined || url === null) {
    throw usageError('no-api-url', 'no HTTP API is named', 'set queue.url in the config file');
  }
  const client = createClient({
    baseUrl: url,
    settings: http,
    timeoutMs: context.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    onSecret: context.onSecret ?? (() => undefined),
  });
  for (const secret of httpSecrets(http)) client.addSecret(secret);
  const session = openSession(client, http);
  return {
    kind: 'http',
    title: 'HTTP API',
    backend: null,
    queueName: client.broker.address,
    api: jobApi(client, session, http),
    ping: () => ping(client, http),
    checks: () => checks(client, session, http),
    submit: (submission) => submitFiles(client, session, http, submission),
    purge: ({ job }) => remove(client, session, http, job),
    consumers: () => Promise.resolve(null),
    inspect: () => Promise.resolve(null),
    estimateRecovery: () => Promise.resolve(null),
    absentKeys: () => Promise.resolve([]),
    removeKeys: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function jobApi(client: Client, session: Session, { status, list, remove }: HttpSettings): JobApi {
  return {
    statusCall: status === null ? null : `GET ${status.path}`,
    removes: remove !== null,
    async read(job) {
      if (status === null) throw new Error('the API has no call that shows a job');
      return readJob(client, session, status, job);
    },
    carrying: (texts) => (list === null ? Promise.resolve(null) : listJobs(client, session, list, texts)),
  };
}

/** Anything that answers is there; a health call of the user's own must say that it is well. */
async function ping(client: Client, { health, healthNamed }: HttpSettings): Promise<BrokerInfo> {
  const answer = await client.send({ method: 'GET', path: health ?? '/', anonymous: true }, null);
  if (isFailure(answer)) throw answer.error;
  const warnings: string[] = [];
  const well = answer.status >= 200 && answer.status < 300;
  if (answer.status >= 500 && health !== null) {
    throw environmentError(
      'api-unhealthy',
      `${answer.call} at ${client.broker.address}: the API says that it is not well (${answer.status})`,
      "see the service's log",
    );
  }
  if (!well && healthNamed) throw refusal(client, answer, false);
  if (!well && health !== null) {
    warnings.push(
      `the API answers ${answer.call} with ${answer.status}: name its health call in queue.health`,
    );
  }
  return { server: 'HTTP API', address: client.broker.address, warnings };
}

/**
 * Whether the token is accepted, by GET calls alone: with it, and without it. Only where the same call is refused
 * without it does its success (or a 404, for a job that is not there) prove anything.
 */
async function checks(client: Client, session: Session, http: HttpSettings): Promise<readonly QueueCheck[]> {
  return [await checkToken(client, session, http), ...checkRemoval(http)];
}

async function checkToken(client: Client, session: Session, http: HttpSettings): Promise<QueueCheck> {
  const path = http.probe ?? (http.status === null ? null : withId(http.status.path, randomUUID()));
  const check = 'token';
  if (path === null) {
    return {
      check,
      status: 'skipped',
      text: 'the token is tried at the submission: no call that only looks is configured',
    };
  }
  const call = { method: 'GET', path };
  const shown = http.probe ?? http.status?.path ?? path;
  const answer = await session.ask(call);
  const refused = answer.status === 401 || (answer.status >= 300 && answer.status < 400);
  const refuse = (): Error => refusal(client, { ...answer, call: `GET ${shown}` }, session.hasToken);
  if (refused || answer.status >= 500) throw refuse();
  if (!session.hasToken) {
    if (answer.status === 403) throw refuse();
    return { check, status: 'ok', text: 'the API asks for no token' };
  }
  const without = await client.send({ ...call, anonymous: true }, null);
  const wantsToken = !isFailure(without) && (without.status === 401 || without.status === 403);
  // An API may answer 403 for a job that is not there; one that says the same to everybody refuses the token.
  if (answer.status === 403 && (http.probe !== null || isFailure(without) || without.status === 403))
    throw refuse();
  if (wantsToken) {
    return { check, status: 'ok', text: `the API accepts the token (GET ${shown})` };
  }
  return {
    check,
    status: 'warning',
    text: `GET ${shown} is answered without a token as well (${answer.status}): whether it is accepted shows at the submission`,
    remedy: 'name a path that needs the token in queue.probe',
  };
}

function checkRemoval({ remove }: HttpSettings): readonly QueueCheck[] {
  if (remove !== null) return [];
  return [
    {
      check: 'removal',
      status: 'warning',
      text: 'no call that removes a job is configured: what the service made of the test files stays with it',
      remedy: "set queue.remove, e.g. { method: 'DELETE', path: '/extraction/jobs/{id}' }",
    },
  ];
}

/** Removing what is not there is no error. */
async function remove(client: Client, session: Session, http: HttpSettings, job: string): Promise<void> {
  if (http.remove === null) {
    throw environmentError(
      'api-cannot-remove',
      `the job ${job} stays with the API at ${client.broker.address}: no call that removes a job is configured`,
      'set queue.remove in the config file, or remove it by hand',
    );
  }
  const { method, path } = http.remove;
  const answer = await session.ask({ method, path: withId(path, job) });
  if (answer.status === 404 || answer.status === 410) return;
  if (answer.status < 200 || answer.status >= 300) throw refusal(client, answer, session.hasToken);
}
