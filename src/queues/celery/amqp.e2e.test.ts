/** What a RabbitMQ that cannot be used is said to be, and what it does not tell. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { normaliseCeleryUrl } from '../../config/broker-url.ts';
import { LAB_TASK, labContext } from '../../testing/bullmq-lab.ts';
import { celerySettings } from '../../testing/celery-lab.ts';
import { CELERY_PYTHON, startCeleryWorker } from '../../testing/celery-worker.ts';
import { HAS_RABBITMQ, startTestRabbitmq } from '../../testing/rabbitmq.ts';
import type { TestServer } from '../../testing/servers.ts';
import { until } from '../../testing/until.ts';
import { openQueue } from '../index.ts';

describe.skipIf(!HAS_RABBITMQ)('RabbitMQ', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestRabbitmq();
  });
  afterAll(() => server.stop());

  test.each([
    ['amqp://guest:hidden@{server}//', 'broker-auth'],
    ['amqp://guest:guest@{server}/hidden', 'broker-virtual-host'],
    ['amqps://guest:guest@{server}//', 'broker-tls'],
    ['amqp://guest:guest@127.0.0.1:1//', 'broker-refused'],
    ['amqp://guest:guest@no-such-host.invalid//', 'broker-unknown-host'],
  ])('%s: %s', async (url, code) => {
    const settings = celerySettings(
      normaliseCeleryUrl(url.replace('{server}', `127.0.0.1:${server.port}`), ''),
      'q',
    );
    await using queue = await openQueue(settings, labContext(2_000));
    const error = await queue.ping().catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      kind: 'environment',
      code,
      remedy: expect.stringContaining('--broker-url'),
    });
    expect(String(error)).not.toContain('guest:');
  });

  test.skipIf(CELERY_PYTHON === null)(
    'of a message only the workers of its queue tell: whether it is gone, and how they are set',
    async () => {
      const brokerUrl = normaliseCeleryUrl(server.url, 'the test');
      const settings = celerySettings(brokerUrl, 'ours');
      await using queue = await openQueue(settings, labContext());
      await using busy = await startCeleryWorker({ brokerUrl, queue: 'ours', pool: 'solo' });
      expect(await queue.consumers()).toHaveLength(1);
      const message = { messageId: 'a', job: 'a' };
      await queue.submit({ ...message, task: LAB_TASK, payload: { kwargs: {} } });
      await busy.line(/active a /);
      // Never asked who it is; and the only one that answers.
      await using stranger = await startCeleryWorker({ brokerUrl, queue: 'theirs' });
      expect(await queue.inspect(message)).toMatchObject({ state: 'unknown' });
      const looked = await until('the stranger is known', async () => {
        await queue.consumers();
        const state = await queue.inspect(message);
        return String(state?.facts?.['workerQueues']).includes('theirs') && state;
      });
      expect(looked).toMatchObject({ state: 'unknown', facts: { pool: 'solo' } });
      await busy.tell('a', 'complete');
      await busy.line(/a\] succeeded/);
      await until('the answer', async () => (await queue.inspect(message))?.state === 'gone');
      expect(stranger.pid).toBeGreaterThan(0);
    },
  );
});
