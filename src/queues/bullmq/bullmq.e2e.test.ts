/** What is BullMQ's own: the words for servers that will not work, and submits that break off half-way. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

import { runMigrations } from 'bullmq';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import type { QueueSettings } from '../../config/settings.ts';
import { UserError } from '../../core/errors.ts';
import { LAB_TASK, labContext, labSettings } from '../../testing/bullmq-lab.ts';
import { REDIS_SERVER, startTestPostgres, startTestRedis, type TestPostgres } from '../../testing/servers.ts';
import { findFreePort } from '../../embedded/free-port.ts';
import { openQueue } from '../index.ts';
import type { Queue, Submission } from '../queue.ts';

const SECRET = 'wrong-secret';

describe('settings', () => {
  it.each([
    ['redis', 'postgresql://u:wrong-secret@h/d', 'broker-url-invalid'],
    ['redis', 'http://u:wrong-secret@h', 'broker-url-invalid'],
    ['postgres', 'redis://u:wrong-secret@h', 'broker-url-invalid'],
    ['postgres', 'postgresql://u:wrong-secret@h:port/d', 'broker-url-invalid'],
    ['postgres', null, 'broker-url-missing'],
  ] as const)('%s with %s', async (backend, url, code) => {
    const settings = { ...labSettings(backend, '', 'q'), url };
    const error = await failure(openQueue(settings, labContext()));
    expect(error).toMatchObject({ kind: 'usage', code });
    expect(error.message + error.remedy).not.toContain(SECRET);
  });

  it('a queue name that BullMQ refuses, a kind that is not there', async () => {
    const settings = labSettings('redis', 'redis://h', 'a:b');
    expect(await failure(openQueue(settings, labContext()))).toMatchObject({ code: 'queue-name-invalid' });
    const later = { ...settings, kind: 'sql' } as const;
    expect(await failure(openQueue(later, labContext()))).toMatchObject({ code: 'queue-kind-unsupported' });
  });
});

describe('servers that will not work', () => {
  it.each(['redis', 'postgres'] as const)('%s: nothing listens, unknown host', async (backend) => {
    const port = await findFreePort();
    expect(await pingFailure(backend, urlOf(backend, `127.0.0.1:${port}`))).toMatchObject({
      code: 'broker-refused',
    });
    expect(await pingFailure(backend, urlOf(backend, 'no-such-host.invalid:1'))).toMatchObject({
      code: 'broker-unknown-host',
    });
  });

  it.each(['redis', 'postgres'] as const)('%s: a server that never answers', async (backend) => {
    await using silent = await listener(() => undefined);
    const began = performance.now();
    expect(await pingFailure(backend, urlOf(backend, silent.address))).toMatchObject({
      code: 'broker-timeout',
    });
    expect(performance.now() - began).toBeLessThan(1_500);
  });

  it('redis: a server that closes at once, as one does that expects TLS', async () => {
    await using closing = await listener((end) => end());
    const error = await pingFailure('redis', urlOf('redis', closing.address));
    expect(error).toMatchObject({ code: 'broker-closed' });
    expect(error.remedy).toContain('rediss://');
  });
});

describe.skipIf(REDIS_SERVER === null)('redis', () => {
  it('tells passwords that are missing or wrong, and TLS that is not spoken', async () => {
    await using server = await startTestRedis(['--requirepass', 'right-secret']);
    const at = `127.0.0.1:${server.port}`;
    expect(await pingFailure('redis', `redis://${at}`)).toMatchObject({ code: 'broker-auth' });
    expect(await pingFailure('redis', `redis://:${SECRET}@${at}`)).toMatchObject({ code: 'broker-auth' });
    expect(await pingFailure('redis', `rediss://:${SECRET}@${at}`)).toMatchObject({ code: 'broker-tls' });
    await using queue = await open('redis', `redis://:right-secret@${at}/3`);
    expect(await queue.ping()).toMatchObject({ address: `${at}/3` });
  });

  it('warns of what can lose jobs, and prints nothing by itself', async () => {
    const print = vi.spyOn(console, 'warn');
    await using server = await startTestRedis(['--maxmemory-policy', 'allkeys-lru']);
    await using queue = await open('redis', `redis://127.0.0.1:${server.port}`);
    const { warnings } = await queue.ping();
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain('allkeys-lru');
    expect(warnings[1]).toContain('a restart of Redis itself loses the queue');
    await queue.submit(submissionOf());
    expect(print).not.toHaveBeenCalled();

    await using durable = await startTestRedis(['--appendonly', 'yes']);
    await using other = await open('redis', `redis://127.0.0.1:${durable.port}`);
    expect((await other.ping()).warnings).toEqual([]);
  });

  it('refuses a replica; says definitely not when memory is out; cannot tell consumers without the right', async () => {
    await using server = await startTestRedis();
    await using admin = disposable(new Redis(server.port));
    const at = `127.0.0.1:${server.port}`;
    const submission = submissionOf();
    await using queue = await open('redis', `redis://${at}`);

    await admin.client.config('SET', 'maxmemory', '1');
    expect(await failure(queue.submit(submission))).toMatchObject({ code: 'broker-full' });
    await admin.client.config('SET', 'maxmemory', '0');
    expect(await queue.inspect(submission)).toMatchObject({ state: 'gone' });

    await admin.client.call('ACL', 'SETUSER', 'limited', 'on', '>pw', '~*', '+@all', '-client', '-info');
    await using limited = await open('redis', `redis://limited:pw@${at}`);
    expect(await limited.ping()).toMatchObject({ server: 'Redis' });
    expect(await limited.consumers()).toBeNull();

    await admin.client.call('ACL', 'SETUSER', 'half', 'on', '>pw', '~*', '+@all', '-zadd');
    await using half = await open('redis', `redis://half:pw@${at}`);
    const outcome = await half.submit(submission);
    expect(outcome.certainty).toBe('uncertain');
    await queue.purge(submission);

    await admin.client.replicaof('127.0.0.1', 1);
    expect(await failure(queue.ping())).toMatchObject({ code: 'broker-read-only' });
    expect(await failure(queue.submit(submission))).toMatchObject({ code: 'broker-read-only' });
  });

  it('does not know what became of a message when the server dies over it, and finds a new server', async () => {
    const server = await startTestRedis();
    const url = `redis://127.0.0.1:${server.port}`;
    await using queue = await open('redis', url);
    await queue.ping();
    process.kill(server.pid, 'SIGSTOP');
    const outcome = queue.submit(submissionOf());
    await server.stop();
    expect(await outcome).toMatchObject({
      certainty: 'uncertain',
      problem: expect.stringContaining('was lost'),
    });
    await using again = await startTestRedis([], server.port);
    expect(again.port).toBe(server.port);
    expect(await queue.submit(submissionOf())).toMatchObject({ certainty: 'certain' });
  });

  it('takes effect after it was called uncertain, where the server was only slow', async () => {
    await using server = await startTestRedis();
    await using queue = await open('redis', `redis://127.0.0.1:${server.port}`, 300);
    await queue.ping();
    const submission = submissionOf();
    process.kill(server.pid, 'SIGSTOP');
    expect(await queue.submit(submission)).toMatchObject({ certainty: 'uncertain' });
    expect(await failure(queue.inspect(submission))).toMatchObject({ code: 'broker-timeout' });
    process.kill(server.pid, 'SIGCONT');
    expect(await queue.inspect(submission)).toMatchObject({ state: 'waiting', messages: 1 });
  });

  it('closes although the server is frozen', async () => {
    await using server = await startTestRedis();
    const queue = await open('redis', `redis://127.0.0.1:${server.port}`);
    await queue.ping();
    process.kill(server.pid, 'SIGSTOP');
    const pending = failure(queue.inspect(submissionOf()));
    const began = performance.now();
    await queue[Symbol.asyncDispose]();
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(await pending).toMatchObject({ code: 'broker-connection-lost' });
  });

  it('knows a prefix of its own, and learns the interval of the check from one look', async () => {
    await using server = await startTestRedis();
    await using admin = disposable(new Redis(server.port));
    const settings = {
      ...labSettings('redis', `redis://127.0.0.1:${server.port}`, 'q'),
      prefix: 'mine:{x}',
    };
    await using queue = await openQueue(settings, labContext());
    const submission = submissionOf();
    await queue.submit(submission);
    const id = submission.messageId;
    await admin.client.lmove('mine:{x}:q:wait', 'mine:{x}:q:active', 'RIGHT', 'LEFT');
    await admin.client.set(`mine:{x}:q:${id}:lock`, 'token', 'PX', 20_000);
    await admin.client.set('mine:{x}:q:stalled-check', String(Date.now() - 5_000), 'PX', 25_000);
    expect(await queue.inspect(submission)).toMatchObject({ state: 'active', owner: 'token' });
    const estimate = await queue.estimateRecovery(submission);
    expect(estimate?.because).toContain('every 30.0 s');
    expect(estimate?.because).toContain('lock ends in 20.0 s');
  });
});

describe('postgres', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startTestPostgres();
    await using admin = disposable(new Pool({ connectionString: server.url }));
    await runMigrations(admin.client);
    await admin.client.query('create database bare');
    await admin.client.query(`create role limited login password 'pw'`);
  }, 30_000);
  afterAll(async () => {
    await server.stop();
  });

  it('tells what is wrong with the user, the database, the schema, TLS', async () => {
    const at = `127.0.0.1:${server.port}`;
    const cases = [
      [`postgresql://owner:${SECRET}@${at}/postgres`, 'broker-auth'],
      [`postgresql://owner@${at}/postgres`, 'broker-auth'],
      [server.urlOf('missing'), 'broker-unknown-database'],
      [server.urlOf('bare'), 'broker-schema-missing'],
      [`${server.url}?sslmode=verify-full`, 'broker-tls'],
      [`postgresql://limited:pw@${at}/postgres`, 'broker-permission'],
    ] as const;
    for (const [url, code] of cases) {
      expect([url, await pingFailure('postgres', url)]).toMatchObject([url, { kind: 'environment', code }]);
    }
    await using bare = await open('postgres', server.urlOf('bare'));
    for (const call of [
      () => bare.submit(submissionOf()),
      () => bare.inspect(submissionOf()),
      () => bare.absentKeys(),
    ]) {
      expect(await failure(call())).toMatchObject({ code: 'broker-schema-missing' });
    }
  });

  it("takes the database's own URL where the broker has none, and a schema of another name", async () => {
    await using admin = disposable(new Pool({ connectionString: server.url }));
    await runMigrations(admin.client, 'other');
    const settings = { ...labSettings('postgres', '', 'q'), url: null, schema: 'other' };
    await using queue = await openQueue(settings, { ...labContext(), databaseUrl: server.url });
    expect(await queue.ping()).toMatchObject({ address: `127.0.0.1:${server.port}/postgres` });
    const submission = submissionOf();
    await queue.submit(submission);
    expect(await queue.inspect(submission)).toMatchObject({ state: 'waiting', messages: 1 });
  });

  it('adds definitely nothing when a lock keeps it from adding', async () => {
    await using admin = disposable(new Pool({ connectionString: server.url }));
    await using queue = await open('postgres', server.url, 300);
    const submission = submissionOf();
    const lock = await admin.client.connect();
    await lock.query('begin; lock table bullmq.job in share mode');
    try {
      expect(await failure(queue.submit(submission))).toMatchObject({ code: 'broker-timeout' });
    } finally {
      await lock.query('rollback');
      lock.release();
    }
    expect(await queue.inspect(submission)).toMatchObject({ state: 'gone' });
  });

  it('does not know what became of a message when its connection is ended', async () => {
    await using admin = disposable(new Pool({ connectionString: server.url }));
    await using queue = await open('postgres', server.url, 5_000);
    const lock = await admin.client.connect();
    await lock.query('begin; lock table bullmq.job in share mode');
    const outcome = queue.submit(submissionOf());
    let ended = 0;
    while (ended === 0) {
      const { rows } = await admin.client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'verify-restart' and wait_event_type = 'Lock'`,
      );
      ended = rows.length;
    }
    expect(await outcome).toMatchObject({
      certainty: 'uncertain',
      problem: expect.stringContaining('was lost'),
    });
    await lock.query('rollback');
    lock.release();
  });

  it('survives the loss of its idle connections', async () => {
    await using admin = disposable(new Pool({ connectionString: server.url }));
    await using queue = await open('postgres', server.url);
    await queue.ping();
    await admin.client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'verify-restart'`,
    );
    await vi.waitFor(async () =>
      expect(await queue.inspect(submissionOf())).toMatchObject({ state: 'gone' }),
    );
  });

  it('closes although the server is frozen', async () => {
    await using admin = disposable(new Pool({ connectionString: server.url }));
    const queue = await open('postgres', server.url);
    await queue.ping();
    const { rows } = await admin.client.query<{ pid: number }>(
      `select pid from pg_stat_activity where application_name = 'verify-restart'`,
    );
    for (const { pid } of rows) process.kill(pid, 'SIGSTOP');
    try {
      const began = performance.now();
      await queue[Symbol.asyncDispose]();
      expect(performance.now() - began).toBeLessThan(1_000);
    } finally {
      for (const { pid } of rows) process.kill(pid, 'SIGCONT');
    }
  });
});

function submissionOf(): Submission {
  const job = randomUUID();
  return { job, messageId: randomUUID(), task: LAB_TASK, payload: { jobId: job } };
}

function urlOf(backend: QueueSettings['backend'], at: string): string {
  return backend === 'redis' ? `redis://u:${SECRET}@${at}` : `postgresql://u:${SECRET}@${at}/d`;
}

function open(backend: QueueSettings['backend'], url: string, requestTimeoutMs = 3_000): Promise<Queue> {
  return openQueue(labSettings(backend, url, 'q'), labContext(requestTimeoutMs));
}

async function pingFailure(backend: QueueSettings['backend'], url: string): Promise<UserError> {
  await using queue = await open(backend, url, 500);
  const error = await failure(queue.ping());
  expect(error.message + (error.remedy ?? '')).not.toContain(SECRET);
  expect(error.remedy).toEqual(expect.any(String));
  return error;
}

async function failure(call: Promise<unknown>): Promise<UserError> {
  const error = await call.then(
    (value) => new Error(`came to ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof UserError) return error;
  throw error;
}

async function listener(
  connected: (end: () => void) => void,
): Promise<AsyncDisposable & { readonly address: string }> {
  const ends = new Set<() => void>();
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    const end = (): void => void socket.destroy();
    ends.add(end);
    connected(end);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    address: `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    async [Symbol.asyncDispose]() {
      for (const end of ends) end();
      server.close();
      await once(server, 'close');
    },
  };
}

function disposable<T extends Redis | Pool>(client: T): AsyncDisposable & { readonly client: T } {
  client.on('error', () => undefined);
  return {
    client,
    async [Symbol.asyncDispose]() {
      if (client instanceof Redis) client.disconnect();
      else await client.end();
    },
  };
}
