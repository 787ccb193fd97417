/** What a RabbitMQ that cannot be used is said to be. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { normaliseCeleryUrl } from '../../config/broker-url.ts';
import { labContext } from '../../testing/bullmq-lab.ts';
import { celerySettings } from '../../testing/celery-lab.ts';
import { HAS_RABBITMQ, startTestRabbitmq } from '../../testing/rabbitmq.ts';
import type { TestServer } from '../../testing/servers.ts';
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
});
