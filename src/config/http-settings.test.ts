import { describe, expect, test } from 'vitest';
import type { Sources } from './given.ts';
import { apiUrl, checkHttpRun, httpSecrets, httpSettings } from './http-settings.ts';
import type { HttpSettings } from './settings.ts';

const URL_GIVEN = 'http://127.0.0.1:8000/api/v1';

function settings(queue: Sources['config']['queue'], token?: string): HttpSettings {
  const variables =
    token === undefined
      ? {}
      : { VERIFY_RESTART_TOKEN: { value: token, from: 'VERIFY_RESTART_TOKEN', folder: '/' } };
  const sources = {
    flags: {},
    variables,
    config: { queue },
    configName: 'c.ts',
    configFolder: '/',
    cwd: '/',
    env: {},
  };
  return httpSettings(sources, URL_GIVEN);
}

test('the defaults are the reference service’s', () => {
  expect(settings({})).toMatchObject({
    token: null,
    login: null,
    submit: {
      path: '/extraction/bulk',
      filesField: 'files',
      fields: { format: 'pdf' },
      jobId: '$.job_id',
      taskId: null,
    },
    status: {
      path: '/extraction/jobs/{id}',
      values: { status: '$.status', error: '$.error_message' },
      namedValues: [],
    },
    list: null,
    remove: null,
    health: '/health',
    healthNamed: false,
  });
});

test('a call that is named gets the defaults of what is not named in it', () => {
  const { login, status, remove, list } = settings({
    login: { body: { a: 1 } },
    status: { progress: '$.pct' },
    remove: {},
    list: {},
  });
  expect(login).toEqual({ path: '/auth/login', body: { a: 1 }, encoding: 'json', token: '$.access_token' });
  expect(status).toMatchObject({
    namedValues: ['progress'],
    values: { progress: '$.pct', status: '$.status' },
  });
  expect(remove).toEqual({ method: 'DELETE', path: '/extraction/jobs/{id}' });
  expect(list).toMatchObject({ path: '/extraction/jobs' });
  expect(settings({ status: null, health: null })).toMatchObject({ status: null, health: null });
});

test('the environment’s token beats the file’s', () => {
  expect(settings({ token: 'file' }, 'environment').token).toBe('environment');
  expect(settings({ token: 'file' }).token).toBe('file');
  expect(settings({ token: '' }).token).toBeNull();
});

describe('refused', () => {
  test.each<[NonNullable<Sources['config']['queue']>, string, string]>([
    [{ submit: { jobId: 'job_id' } }, 'invalid-json-path', 'queue.submit.jobId in c.ts is "job_id"'],
    [{ status: { path: '/jobs' } }, 'path-without-id', 'queue.status.path in c.ts'],
    [{ remove: { path: '/jobs' } }, 'path-without-id', 'queue.remove.path in c.ts'],
    [{ submit: { path: 'bulk' } }, 'invalid-api-path', 'queue.submit.path in c.ts is "bulk"'],
    [{ submit: { path: 'http://127.0.0.1:9/bulk' } }, 'path-elsewhere', 'leads to 127.0.0.1:9'],
    [{ health: 'https://127.0.0.1:8000/health' }, 'path-elsewhere', 'queue.health'],
  ])('%j', (queue, code, message) => {
    expect(() => settings(queue)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  test('a base that is no web address, without a word of it', () => {
    const given = { value: 'redis://user:hidden@h', from: '--broker-url', folder: '/' };
    expect(() => apiUrl(given, '/')).toThrow(
      expect.objectContaining({ code: 'api-url-invalid', message: '--broker-url is no URL of an HTTP API' }),
    );
  });
});

test('a URL on the same server is a path, and the login may be another server’s', () => {
  const { health, login } = settings({
    health: 'http://127.0.0.1:8000/health',
    login: { path: 'http://127.0.0.1:9000/token', body: {} },
  });
  expect(health).toBe('http://127.0.0.1:8000/health');
  expect(login?.path).toBe('http://127.0.0.1:9000/token');
});

test('what is secret, and what is not', () => {
  const secrets = httpSecrets(
    settings({
      token: 'token-1',
      headers: { 'X-Api-Key': 'key-1', Cookie: 'session=1', Accept: 'application/json', 'X-Tenant': 'acme' },
      login: { body: { username: 'anna', password: 'word-1', otp: '123456', remember: true } },
    }),
  );
  expect(secrets).toEqual(expect.arrayContaining(['token-1', 'key-1', 'session=1', 'word-1', '123456']));
  for (const harmless of ['anna', 'acme', 'application/json']) expect(secrets).not.toContain(harmless);
});

describe('a run', () => {
  const worker = {
    command: 'w',
    stopCommand: null,
    startCommand: null,
    replicas: 1,
    env: {},
    cwd: '/',
    readyPattern: /ready/,
    stopGraceMs: 0,
  };
  const run = { autoRestart: true, fileMode: 'valid', worker } as const;

  test.each([
    ['of files that are not there', { ...run, fileMode: 'missing' as const }, {}, true, 'files-missing-http'],
    ['with nothing to see the job by', run, { status: null }, false, 'api-without-status'],
    ['whose worker a person restarts unseen', { ...run, autoRestart: false }, {}, false, 'restart-unseen'],
    [
      'whose worker says nothing',
      { ...run, worker: { ...worker, readyPattern: null } },
      {},
      false,
      'needs-worker-ready',
    ],
  ])('%s is refused', (_name, settingsOfRun, queue, hasDatabase, code) => {
    expect(() => checkHttpRun(settings(queue), settingsOfRun, hasDatabase)).toThrow(
      expect.objectContaining({ code }),
    );
  });

  test('needs neither a line of the worker nor a status call where there is a database', () => {
    const silent = { ...run, worker: { ...worker, readyPattern: null } };
    expect(() => checkHttpRun(settings({ status: null }), silent, true)).not.toThrow();
    expect(() => checkHttpRun(settings({}), { ...run, autoRestart: false }, true)).not.toThrow();
    expect(() => checkHttpRun(settings({}), run, false)).not.toThrow();
  });
});
