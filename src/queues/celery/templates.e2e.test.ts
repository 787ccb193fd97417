/** What `queue.payload` gives reaches a consumer as `apply_async` would have sent it: read by kombu on each broker. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labContext } from '../../testing/bullmq-lab.ts';
import { celerySettings } from '../../testing/celery-lab.ts';
import { CELERY_PYTHON } from '../../testing/celery-worker.ts';
import { normaliseCeleryUrl } from '../../config/broker-url.ts';
import { HAS_RABBITMQ, startTestRabbitmq } from '../../testing/rabbitmq.ts';
import { REDIS_SERVER, startTestRedis, type TestServer } from '../../testing/servers.ts';
import { openQueue } from '../index.ts';

const PROGRAM = `
import json, sys
from kombu import Connection
with Connection(sys.argv[1]) as connection:
    queue = connection.SimpleQueue(sys.argv[2])
    message = queue.get(timeout=5)
    print(json.dumps({
        "body": message.payload, "headers": message.headers, "priority": message.properties.get("priority"),
        "correlation": message.properties.get("correlation_id"), "persistent": message.properties.get("delivery_mode"),
        "content": [message.content_type, message.content_encoding], "queue": message.delivery_info["routing_key"],
    }))
    message.ack()
    queue.close()
`;

const BROKERS: readonly {
  readonly broker: string;
  readonly here: boolean;
  readonly start: () => Promise<TestServer>;
}[] = [
  { broker: 'Redis', here: REDIS_SERVER !== null, start: startTestRedis },
  { broker: 'RabbitMQ', here: HAS_RABBITMQ, start: startTestRabbitmq },
];

describe.each(BROKERS.filter(({ here }) => here && CELERY_PYTHON !== null))(
  '$broker',
  ({ start, broker }) => {
    let server: TestServer;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server.stop());

    test.each([
      {
        queueName: 'celery',
        payload: [['/tmp/ü.pdf'], null, {}, 'job'],
        args: [['/tmp/ü.pdf'], null, {}, 'job'],
      },
      {
        queueName: 'other jobs',
        payload: { args: [1], kwargs: { depth: 2 }, headers: { tenant: 'acme' }, priority: 6, expires: 60 },
        args: [1],
      },
    ])('a task in the queue $queueName', async ({ queueName, payload, args }) => {
      const url = normaliseCeleryUrl(broker === 'Redis' ? `${server.url}/1` : server.url, 'the test');
      await using queue = await openQueue(celerySettings(url, queueName), labContext(5_000));
      const submission = { job: 'job', messageId: randomUUID(), task: 'my.task', payload };
      expect(await queue.submit(submission)).toMatchObject({ certainty: 'certain' });
      const { stdout } = await promisify(execFile)(CELERY_PYTHON ?? '', ['-c', PROGRAM, url, queueName]);
      const { kwargs = {}, headers = {}, priority = 0 } = Array.isArray(payload) ? {} : payload;
      expect(JSON.parse(stdout)).toEqual({
        body: [args, kwargs, { callbacks: null, errbacks: null, chain: null, chord: null }],
        headers: expect.objectContaining({ ...headers, id: submission.messageId, task: 'my.task' }),
        priority,
        correlation: submission.messageId,
        persistent: 2,
        content: ['application/json', 'utf-8'],
        queue: queueName,
      });
      expect(JSON.parse(stdout).headers.expires === null).toBe(Array.isArray(payload));
      expect(await queue.inspect(submission)).toMatchObject({ state: 'gone' });
    });
  },
);
