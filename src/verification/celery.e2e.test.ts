/** The system that Celery users have: a real worker on Redis and on RabbitMQ, restarted in the middle of a job. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Event } from '../core/event.ts';
import { openCeleryBench, type CeleryBench, type CeleryRun } from '../testing/celery-run.ts';
import { CELERY_PYTHON } from '../testing/celery-worker.ts';
import { HAS_RABBITMQ, startTestRabbitmq, type TestRabbitmq } from '../testing/rabbitmq.ts';
import { REDIS_SERVER, startTestRedis, type TestServer } from '../testing/servers.ts';
import type { Verification } from './verify.ts';

const here = CELERY_PYTHON !== null && HAS_RABBITMQ && REDIS_SERVER !== null;

describe.skipIf(!here)('Celery', { timeout: 60_000 }, () => {
  let bench: CeleryBench;
  let servers: { readonly redis: TestServer; readonly rabbitmq: TestRabbitmq };
  beforeAll(async () => {
    const [opened, redis, rabbitmq] = await Promise.all([
      openCeleryBench(),
      startTestRedis(),
      startTestRabbitmq(),
    ]);
    bench = opened;
    servers = { redis, rabbitmq };
  });
  afterAll(async () => {
    await Promise.all([bench[Symbol.asyncDispose](), servers.redis.stop(), servers.rabbitmq.stop()]);
  });

  const run = (broker: 'redis' | 'rabbitmq', options: Omit<CeleryRun, 'brokerUrl'>): Promise<Verification> =>
    bench.run({
      ...options,
      brokerUrl: broker === 'redis' ? `${servers.redis.url}/1` : servers.rabbitmq.url,
    });

  test.each([
    ['redis', 'solo', 'crash'],
    ['redis', 'threads', 'crash'],
    ['redis', 'prefork', 'graceful'],
    ['redis', 'solo', 'graceful'],
    ['rabbitmq', 'prefork', 'crash'],
    ['rabbitmq', 'solo', 'crash'],
    ['rabbitmq', 'threads', 'graceful'],
  ] as const)('the correct worker on %s with %s survives %s', async (broker, pool, scenario) => {
    const { report, problem, kept } = await run(broker, { app: 'app', pool, scenario });
    expect(problem).toBeNull();
    expect(failuresOf(report)).toEqual([]);
    expect(report.verdict).toBe('passed');
    expect(kept).toEqual([]);
    expect(await bench.rows()).toBe(0);
  });

  // On Redis the demo shows it.
  test.each(['rabbitmq'] as const)('the defaults on %s lose the job, and why is said', async (broker) => {
    const { report } = await run(broker, {
      app: 'broken.celery_defaults',
      pool: 'prefork',
      scenario: 'crash',
      config: { terminalTimeout: '4s' },
    });
    expect(report.verdict).toBe('failed');
    expect(failuresOf(report)).toContain('picked-up-again');
    expect(report.diagnoses.map(({ id }) => id)).toContain('acked-before-done');
  });

  test('the defaults with solo acknowledge late by accident: the job is done again from the beginning', async () => {
    const { report } = await run('redis', { app: 'broken.celery_defaults', pool: 'solo', scenario: 'crash' });
    expect(report.verdict).toBe('failed');
    expect(failuresOf(report)).not.toContain('picked-up-again');
    expect(report.diagnoses.map(({ id }) => id)).toContain('started-at-reset');
  });

  test('with a visibility timeout of an hour the due time is told, and not waited for', async () => {
    const began = performance.now();
    const { report } = await run('redis', {
      app: 'app',
      pool: 'prefork',
      scenario: 'crash',
      visibilityTimeout: 3_600,
      config: { terminalTimeout: '3s' },
    });
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(report.verdict).toBe('inconclusive');
    const due = report.diagnoses.find(({ id }) => id === 'not-yet-due');
    expect(due?.values).toMatchObject({ visibilityMs: 3_600_000, told: 1 });
    expect(String(due?.values['dueAt'])).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  });

  test.each(['redis', 'rabbitmq'] as const)(
    'with its fault disarmed a run on %s proves nothing',
    async (broker) => {
      const { report } = await run(broker, { app: 'app', pool: 'solo', scenario: 'crash', disarmed: true });
      expect(report).toMatchObject({ verdict: 'inconclusive', outcome: 'vacuous' });
      expect(failuresOf(report)).toEqual([]);
    },
  );

  test('a worker that looks for its neighbours first, as Celery does by default, is asked until it hears', async () => {
    const events: Event[] = [];
    const onEvent = (event: Event): void => void events.push(event);
    const { report } = await run('redis', {
      app: 'app',
      pool: 'prefork',
      scenario: 'crash',
      flags: [],
      config: { files: 6 },
      onEvent,
    });
    const told = events.filter(
      (event) => event.kind === 'broker:snapshot' && event.facts?.['visibilityTimeoutTold'] === true,
    );
    expect(told.length).toBeGreaterThan(0);
    expect(failuresOf(report)).toEqual([]);
    expect(report.verdict).toBe('passed');
  });

  test('an error that is provisional is none: a child is killed, its parent says so, and the job goes on', async () => {
    const events: Event[] = [];
    const { report } = await run('redis', {
      app: 'app',
      pool: 'prefork',
      scenario: 'child-then-all',
      config: {
        files: 8,
        scenarios: { 'child-then-all': [{ stop: 'SIGKILL', reach: 'child', grace: '1s' }, { start: true }] },
      },
      onEvent: (event) => events.push(event),
    });
    expect(events).toContainEqual(
      expect.objectContaining({ kind: 'note', text: expect.stringContaining('WorkerLostError') }),
    );
    expect(failuresOf(report)).toEqual([]);
    expect(report.verdict).toBe('passed');
    expect(report.diagnoses).toEqual([]);
  });

  test('with a visibility timeout of a second a start after it finds the job due', async () => {
    const { report } = await run('redis', {
      app: 'app',
      pool: 'prefork',
      scenario: 'late-start',
      visibilityTimeout: 1,
      // A worker that starts sooner looks again after 90 s.
      config: {
        scenarios: {
          'late-start': [{ stop: 'SIGKILL', reach: 'tree' }, { wait: '1500ms' }, { start: true }],
        },
      },
    });
    expect(report.verdict).toBe('passed');
  });

  test('a task that no worker knows is refused before a job is made', async () => {
    const { problem } = await run('redis', {
      app: 'app',
      pool: 'prefork',
      scenario: 'crash',
      config: { queue: { kind: 'celery', url: `${servers.redis.url}/1`, task: 'extract_all' } },
    });
    expect(problem).toMatchObject({
      code: 'task-not-registered',
      remedy: expect.stringContaining('extract_bulk'),
    });
    expect(await bench.rows()).toBe(0);
  });

  test('a task that no worker knows, and none can be asked for: its message is dropped, and the worker says so', async () => {
    const { problem, kept } = await run('redis', {
      app: 'app',
      pool: 'prefork',
      scenario: 'crash',
      settings: { worker_enable_remote_control: false },
      config: {
        queue: { kind: 'celery', url: `${servers.redis.url}/1`, task: 'extract_all' },
        processingTimeout: '4s',
      },
    });
    expect(problem).toMatchObject({
      code: 'task-not-registered',
      message: expect.stringMatching(
        /dropped its message: worker #1: .*unregistered task of type 'extract_all'/,
      ),
    });
    expect(kept).toEqual([]);
    expect(await bench.rows()).toBe(0);
  });

  // After all the runs above.
  test('nothing is left on Redis', async () => {
    const admin = new Redis(`${servers.redis.url}/1`);
    try {
      expect(await admin.keys('*')).toEqual([]);
      expect(
        ((await admin.client('LIST')) as string).split('\n').filter((line) => line.includes('db=1')),
      ).toHaveLength(1);
    } finally {
      admin.disconnect();
    }
  });

  test('nothing is left on RabbitMQ', async () => {
    const { rabbitmq } = servers;
    const [queues, exchanges, consumers, connections] = await Promise.all([
      rabbitmq.list('list_queues', 'name', 'messages'),
      rabbitmq.list('list_exchanges', 'name'),
      rabbitmq.list('list_consumers'),
      rabbitmq.list('list_connections', 'client_properties'),
    ]);
    expect({ queues, consumers, connections }).toEqual({ queues: [], consumers: [], connections: [] });
    expect(exchanges.filter((name) => !/^\s*(?:amq\.[\w.]+)?$/.test(name))).toEqual([]);
  });
});

function failuresOf(report: Verification['report']): readonly string[] {
  return report.criteria.filter(({ status }) => status === 'failed').map(({ id }) => id);
}
