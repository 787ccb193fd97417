import { expect, test } from 'vitest';
import { normaliseCeleryUrl, normaliseRedisUrl } from './broker-url.ts';

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

test.each([
  ['redis://localhost:6379/1', 'redis://localhost:6379/1'],
  ['redis+socket:///run/redis.sock?virtual_host=2', '/run/redis.sock?db=2'],
  ['amqp://', 'amqp://guest:guest@127.0.0.1/%2F'],
  ['amqp://u:p@h:5673//', 'amqp://u:p@h:5673/%2F'],
  ['pyamqp://u:p@h/', 'amqp://u:p@h/%2F'],
  ['amqps://u:p@h/jobs', 'amqps://u:p@h/jobs'],
  ['amqp://u:p%40x@h/a%2Fb?heartbeat=5', 'amqp://u:p%40x@h/a%2Fb'],
])('kombu takes %s for %s', (url, expected) => {
  expect(normaliseCeleryUrl(url, 'CELERY_BROKER_URL')).toBe(expected);
});

test.each([
  ['sqs://hidden', 'broker-url-unsupported'],
  ['sentinel://hidden:26379', 'broker-url-unsupported'],
  ['amqp://u:hid#den@h:99999999', 'broker-url-invalid'],
  ['hidden', 'broker-url-invalid'],
])('%s is no broker of Celery here, and is refused without a word of it', (url, code) => {
  expect(() => normaliseCeleryUrl(url, 'CELERY_BROKER_URL')).toThrow(
    expect.objectContaining({ code, message: expect.not.stringContaining('hid') }),
  );
});
