import { expect, test } from 'vitest';
import { normaliseRedisUrl } from './broker-url.ts';

test.each([
  ['redis://127.0.0.1:6379', 'redis://127.0.0.1:6379'],
  ['rediss://u:p@h:6380/2', 'rediss://u:p@h:6380/2'],
  [' redis://h ', 'redis://h'],
  ['unix:///run/redis.sock', '/run/redis.sock'],
  ['/run/redis.sock', '/run/redis.sock'],
])('%s is taken as %s', (url, expected) => {
  expect(normaliseRedisUrl(url, 'REDIS_URL')).toBe(expected);
});

test.each([
  ['amqp://u:hidden@h//', 'broker-url-unsupported', 'RabbitMQ'],
  ['sqs://hidden', 'broker-url-unsupported', 'Amazon SQS'],
  ['postgres://u:hidden@h/db', 'broker-url-unsupported', 'PostgreSQL'],
  ['postgresql+asyncpg://u:hidden@h/db', 'broker-url-unsupported', 'PostgreSQL'],
  ['hidden:6379', 'broker-url-invalid', 'no Redis URL'],
  ['redis://u:hid#den:x@h:99999999', 'broker-url-invalid', 'no Redis URL'],
  ['redis+socket:///hidden', 'broker-url-invalid', 'no Redis URL'],
  ['', 'broker-url-invalid', 'no Redis URL'],
])('%s is refused without a word of it', (url, code, words) => {
  expect(() => normaliseRedisUrl(url, 'REDIS_URL')).toThrow(
    expect.objectContaining({
      code,
      message: expect.stringMatching(new RegExp(`^REDIS_URL (?!.*hid).*${words}`)),
    }),
  );
});
