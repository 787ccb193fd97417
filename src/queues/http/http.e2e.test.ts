/** What an API can answer, each from a real server that does. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UserError } from '../../core/errors.ts';
import { findFreePort } from '../../embedded/free-port.ts';
import { labContext } from '../../testing/bullmq-lab.ts';
import { httpLabSettings, type ApiConfig } from '../../testing/http-lab.ts';
import { serve } from '../../testing/web-server.ts';
import { openQueue } from '../index.ts';
import type { Queue, Submission } from '../queue.ts';

const TOKEN = 'token-that-nobody-may-see';
const PASSWORD = 'password-that-nobody-may-see';

let folder: string;
let submission: Submission;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vr-http-'));
  const path = join(folder, 'file.pdf');
  await writeFile(path, '%PDF-1.4 and so on');
  submission = {
    job: '',
    messageId: 'm-1',
    task: 't',
    payload: null,
    files: [{ path, name: 'verify-1.pdf' }],
  };
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

function open(
  url: string,
  config: ApiConfig = {},
  onSecret: (secret: string) => void = () => undefined,
): Promise<Queue> {
  return openQueue(httpLabSettings(url, { token: TOKEN, ...config }), { ...labContext(500), onSecret });
}

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

async function errorOf(call: Promise<unknown>): Promise<UserError> {
  const error = await call.then(
    (value) => value,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) throw new Error(`no UserError: ${String(error)}`);
  expect(error.kind).toBe('environment');
  expect(`${error.message} ${error.remedy}`).not.toMatch(/nobody-may-see/);
  expect(error.remedy).toMatch(/\w/);
  return error;
}

test('the upload is what the service expects: fields, names, contents, token', async () => {
  await using server = await serve((_request, response) =>
    json(response, 202, { data: { id: 7 }, task: 'abc' }),
  );
  await using queue = await open(`${server.url}/api/v1/`, {
    submit: { fields: { format: 'pdf', tenant: 'acme' }, jobId: '$.data.id', taskId: '$.task' },
    headers: { 'X-Tenant': 'acme' },
  });
  expect(await queue.submit(submission)).toEqual({ messageId: 'abc', certainty: 'certain', job: '7' });
  const [request] = server.requests;
  expect(request).toMatchObject({ line: 'POST /api/v1/extraction/bulk', authorization: `Bearer ${TOKEN}` });
  const body = request!.body.toString('latin1');
  expect(body).toMatch(/name="format"\r\n\r\npdf\r\n/);
  expect(body).toMatch(/name="tenant"\r\n\r\nacme\r\n/);
  expect(body).toMatch(
    /name="files"; filename="verify-1.pdf"\r\nContent-Type: application\/pdf\r\n\r\n%PDF-1.4 and so on\r\n/,
  );
});

describe('a submission that the API refuses made no job', () => {
  test.each<[string, RequestListener, string, RegExp, ApiConfig?]>([
    [
      '401',
      (_, r) => json(r, 401, { detail: 'expired' }),
      'broker-auth',
      /rejects the token \(401\): expired$/,
    ],
    ['403', (_, r) => json(r, 403, {}), 'api-forbidden', /may not do this \(403\)$/],
    [
      '413',
      (_, r) => r.writeHead(413).end('<html>nginx</html>'),
      'api-too-large',
      /too large for the API \(413\)$/,
    ],
    [
      '422',
      (_, r) => json(r, 422, { detail: [{ loc: ['body', 'tenant'], msg: 'field required' }] }),
      'api-rejected',
      /rejects the request \(422\): tenant: field required$/,
    ],
    [
      '404',
      (_, r) => json(r, 404, { detail: 'Not Found' }),
      'api-not-found',
      /no such call \(404\): Not Found$/,
    ],
    ['429', (_, r) => json(r, 429, {}), 'api-busy', /no more requests for now/],
    [
      'an answer that repeats the token',
      (_, r) => json(r, 400, { message: `bad token ${TOKEN}` }),
      'api-rejected',
      /bad token \*\*\*$/,
    ],
    [
      'a redirect to another server',
      (_, r) => r.writeHead(307, { location: 'http://evil.example/login?next=x' }).end(),
      'api-redirect',
      /redirects to another server, http:\/\/evil.example\/login \(307\), which is not followed: the token would go there$/,
    ],
    [
      'a redirect to itself',
      (request, r) => r.writeHead(307, { location: `${request.url}/` }).end(),
      'api-redirect',
      /redirects to http:\/\/127.0.0.1:\d+\/extraction\/bulk\/ \(307\), which is not followed$/,
    ],
  ])('%s', async (_name, listener, code, message) => {
    await using server = await serve(listener);
    await using queue = await open(server.url);
    const error = await errorOf(queue.submit(submission));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^POST \/extraction\/bulk at 127\.0\.0\.1:\d+: /);
    expect(server.requests).toHaveLength(1);
  });
});

test('a redirect is not followed: the other server gets neither the token nor a request', async () => {
  await using other = await serve((_request, response) => json(response, 200, { job_id: 'x' }));
  await using server = await serve((_, r) => r.writeHead(308, { location: `${other.url}/x` }).end());
  await using queue = await open(server.url);
  await errorOf(queue.submit(submission));
  expect(other.requests).toEqual([]);
});

describe('a submission that may have made a job is uncertain, and is not sent again', () => {
  test.each<[string, RequestListener, RegExp]>([
    ['500', (_, r) => json(r, 500, { detail: 'boom' }), /the API failed \(500\): boom$/],
    ['502', (_, r) => r.writeHead(502).end('<html>bad gateway</html>'), /the API failed \(502\)$/],
    ['no answer', () => undefined, /did not answer POST \/extraction\/bulk within 0\.5 s/],
    [
      'an answer that never ends',
      (_, r) => void r.writeHead(200).write('{'),
      /did not answer .* within 0\.5 s/,
    ],
    [
      'a lost connection',
      (request) => request.socket.destroy(),
      /connection to the API at .* was lost during POST/,
    ],
    [
      'a web page',
      (_, r) => r.writeHead(200, { 'content-type': 'text/html' }).end('<html><title>Sign in</title>'),
      /was answered \(200\) with a web page \("Sign in"\)$/,
    ],
    ['nothing', (_, r) => r.writeHead(204).end(), /was answered \(204\) with nothing$/],
    [
      'an answer without the id',
      (_, r) => json(r, 200, { id: 5, status: 'ok' }),
      /the answer has no job id at \$\.job_id; it has the keys id, status$/,
    ],
    ['an id that is none', (_, r) => json(r, 200, { job_id: { a: 1 } }), /no job id at \$\.job_id/],
  ])('%s', async (_name, listener, problem) => {
    await using server = await serve(listener);
    await using queue = await open(server.url);
    const outcome = await queue.submit(submission);
    expect(outcome).toMatchObject({
      messageId: 'm-1',
      certainty: 'uncertain',
      problem: expect.stringMatching(problem),
    });
    expect(outcome.job).toBeUndefined();
    expect(outcome.remedy).toMatch(/\w/);
    expect(server.requests).toHaveLength(1);
  });
});

describe('an API that cannot be reached', () => {
  const calls: [string, (queue: Queue) => Promise<unknown>][] = [
    ['submit', (queue) => queue.submit(submission)],
    ['ping', (queue) => queue.ping()],
    ['checks', (queue) => queue.checks?.() ?? Promise.resolve()],
    ['purge', (queue) => queue.purge({ job: 'x', messageId: 'x' })],
    ['read', (queue) => queue.api?.read('x') ?? Promise.resolve()],
  ];
  test.each(calls)('%s', async (_name, call) => {
    const config: ApiConfig = { remove: {} };
    const port = await findFreePort();
    await using refused = await open(`http://user:${PASSWORD}@127.0.0.1:${port}/v1`, config);
    expect(await errorOf(call(refused))).toMatchObject({
      code: 'broker-refused',
      message: `the API at 127.0.0.1:${port}/v1 refused the connection: nothing listens there.`,
    });
    await using unknown = await open('http://nowhere.invalid/v1', config);
    expect(await errorOf(call(unknown))).toMatchObject({ code: 'broker-unknown-host' });
    await using plain = await serve((_request, response) => json(response, 200, {}));
    await using tls = await open(plain.url.replace('http:', 'https:'), config);
    expect(await errorOf(call(tls))).toMatchObject({
      code: 'broker-tls',
      remedy: expect.stringContaining('https://'),
    });
  });

  const hasOpenssl = canRun('openssl', 'version');
  test.skipIf(!hasOpenssl)('whose certificate is not trusted', async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-days', '2'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject],
      { stdio: 'ignore' },
    );
    const pems = { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
    await using server = await serve((_request, response) => json(response, 200, {}), pems);
    await using queue = await open(server.url);
    expect(await errorOf(queue.ping())).toMatchObject({
      code: 'broker-tls',
      remedy: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
  });
});

function canRun(command: string, argument: string): boolean {
  try {
    execFileSync(command, [argument], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('the login', () => {
  const api: (token: () => string) => RequestListener = (token) => (request, response) => {
    if (request.url === '/auth/login') return json(response, 200, { access_token: token() });
    if (request.headers.authorization !== `Bearer ${token()}`)
      return json(response, 401, { detail: 'expired' });
    return json(response, 200, { job_id: 'j' });
  };
  const login = { body: { username: 'u', password: PASSWORD } };

  test('gives the token once, and again when it has expired', async () => {
    let token = 'token-1-nobody-may-see';
    const secrets: string[] = [];
    await using server = await serve(api(() => token));
    await using queue = await openQueue(httpLabSettings(server.url, { login }), {
      ...labContext(500),
      onSecret: (secret) => secrets.push(secret),
    });
    expect(await queue.submit(submission)).toMatchObject({ job: 'j' });
    token = 'token-2-nobody-may-see';
    expect(await queue.submit(submission)).toMatchObject({ job: 'j' });
    const lines = server.requests.map(({ line }) => line);
    expect(lines).toEqual([
      'POST /auth/login',
      'POST /extraction/bulk',
      'POST /extraction/bulk',
      'POST /auth/login',
      'POST /extraction/bulk',
    ]);
    expect(secrets).toEqual(
      expect.arrayContaining([PASSWORD, 'token-1-nobody-may-see', 'token-2-nobody-may-see']),
    );
    expect(server.requests[0]?.body.toString()).toBe(JSON.stringify(login.body));
    expect(server.requests[0]?.authorization).toBeUndefined();
  });

  test('can be a form', async () => {
    await using server = await serve(api(() => 'some-token'));
    await using queue = await openQueue(
      httpLabSettings(server.url, { login: { ...login, encoding: 'form' } }),
      labContext(500),
    );
    await queue.submit(submission);
    expect(server.requests[0]?.body.toString()).toBe(`username=u&password=${PASSWORD}`);
  });

  test.each<[string, RequestListener, string, RegExp]>([
    [
      'refused',
      (_, r) => json(r, 401, { detail: `not ${PASSWORD}` }),
      'broker-auth',
      /the login was refused \(401\)$/,
    ],
    [
      'that gives no token',
      (_, r) => json(r, 200, { token: 'secret' }),
      'api-no-token',
      /no token at \$\.access_token; it has the keys token$/,
    ],
    [
      'that is a web page',
      (_, r) => r.writeHead(200).end('<!doctype html>'),
      'api-not-json',
      /with a web page/,
    ],
  ])('%s', async (_name, listener, code, message) => {
    await using server = await serve(listener);
    await using queue = await openQueue(httpLabSettings(server.url, { login }), labContext(500));
    const error = await errorOf(queue.submit(submission));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

describe('the checks of the preflight', () => {
  const guarded: RequestListener = (request, response) => {
    if (request.url === '/health') return json(response, 200, {});
    const { authorization } = request.headers;
    if (authorization === undefined) return json(response, 401, { detail: 'Not authenticated' });
    return authorization === `Bearer ${TOKEN}` ? json(response, 404, {}) : json(response, 401, {});
  };

  test('only look, and tell that the token is accepted', async () => {
    await using server = await serve(guarded);
    await using queue = await open(server.url);
    expect(await queue.ping()).toMatchObject({ address: `127.0.0.1:${server.port}`, warnings: [] });
    expect(await queue.checks?.()).toMatchObject([
      { check: 'token', status: 'ok' },
      { check: 'removal', status: 'warning' },
    ]);
    expect(server.requests.every(({ line }) => line.startsWith('GET '))).toBe(true);
  });

  test('do not take a call that anybody may make for a proof', async () => {
    await using server = await serve((_request, response) => json(response, 404, {}));
    await using queue = await open(server.url);
    expect(await queue.ping()).toMatchObject({ warnings: [expect.stringContaining('GET /health with 404')] });
    expect(await queue.checks?.()).toMatchObject([{ check: 'token', status: 'warning' }, {}]);
  });

  test('tell a token that is not accepted, and one that is wanted', async () => {
    await using server = await serve(guarded);
    await using wrong = await open(server.url, { token: 'another-token' });
    expect((await errorOf(wrong.checks?.() ?? Promise.resolve())).message).toMatch(/rejects the token/);
    await using none = await openQueue(httpLabSettings(server.url, {}), labContext(500));
    expect((await errorOf(none.checks?.() ?? Promise.resolve())).message).toMatch(/wants a token/);
  });

  test('a service that is not well', async () => {
    await using server = await serve((_request, response) => json(response, 503, { status: 'down' }));
    await using queue = await open(server.url);
    expect(await errorOf(queue.ping())).toMatchObject({ code: 'api-unhealthy' });
  });
});

describe('a job as the API shows it', () => {
  test('by role, with a digest of what is picked out alone', async () => {
    let clock = 0;
    await using server = await serve((_request, response) =>
      json(response, 200, { data: { state: 'RUNNING', pct: 20 }, now: (clock += 1) }),
    );
    await using queue = await open(server.url, {
      status: { status: '$.data.state', progress: '$.data.pct' },
    });
    const seen = await queue.api?.read('a/b');
    expect(seen).toEqual({ status: 'RUNNING', progress: 20, digest: expect.stringMatching(/^\w{32}$/) });
    expect(await queue.api?.read('a/b')).toEqual(seen);
    expect(server.requests[0]?.line).toBe('GET /extraction/jobs/a%2Fb');
  });

  test('that is not there', async () => {
    await using server = await serve((_request, response) => json(response, 404, {}));
    await using queue = await open(server.url, { remove: {} });
    expect(await queue.api?.read('x')).toBeNull();
    await queue.purge({ job: 'x', messageId: 'x' });
  });

  test('without what was named', async () => {
    await using server = await serve((_request, response) => json(response, 200, { status: 'x' }));
    await using queue = await open(server.url, { status: { progress: '$.pct' } });
    expect(await errorOf(queue.api?.read('x') ?? Promise.resolve())).toMatchObject({
      code: 'api-no-value',
      message: expect.stringContaining('nothing at $.pct; it has the keys status'),
    });
  });

  test('in a list, by the names of its files', async () => {
    const jobs = [
      { id: 1, files: ['verify-1.pdf', 'other.pdf'] },
      { id: 2, files: ['other.pdf'] },
    ];
    await using server = await serve((_request, response) => json(response, 200, { jobs }));
    await using queue = await open(server.url, { list: {} });
    expect(await queue.api?.carrying(['verify-'])).toEqual({
      jobs: [{ id: '1', files: ['verify-1.pdf'] }],
      isPage: false,
    });
    await using without = await open(server.url);
    expect(await without.api?.carrying(['verify-'])).toBeNull();
  });

  test.each([
    [{ next: '/jobs?page=2' }, true],
    [{ next: null, total: 1 }, false],
    [{ total: 2 }, true],
    [{ meta: { has_more: true } }, true],
    [{ pagination: { total_count: 1, nextPage: '' } }, false],
  ])('in a list that says %o: a page of it is %s', async (said, isPage) => {
    const jobs = [{ id: 1, files: ['verify-1.pdf'] }];
    await using server = await serve((_request, response) => json(response, 200, { jobs, ...said }));
    await using queue = await open(server.url, { list: {} });
    expect(await queue.api?.carrying(['verify-'])).toMatchObject({ isPage });
  });

  test('cannot be removed without a call for it, and that is said', async () => {
    await using queue = await open('http://127.0.0.1:1');
    expect(await errorOf(queue.purge({ job: 'j-1', messageId: 'm' }))).toMatchObject({
      code: 'api-cannot-remove',
    });
  });
});
