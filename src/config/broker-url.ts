/** The broker's URL: which kinds there are, and what a Redis URL may look like. */
import { usageError } from '../core/errors.ts';

const OTHER_BROKERS: Readonly<Record<string, string>> = {
  amqp: 'RabbitMQ',
  amqps: 'RabbitMQ',
  pyamqp: 'RabbitMQ',
  sqs: 'Amazon SQS',
  postgres: 'PostgreSQL',
  postgresql: 'PostgreSQL',
};

/**
 * `redis://`, `rediss://`, or the path of a Unix socket (`unix:///run/redis.sock` or the bare path).
 *
 * @param option where the URL came from, for the message; the URL itself, which may hold a password, is not repeated.
 * @returns what ioredis takes: the URL as it is, or the socket's path.
 * @throws UserError `broker-url-unsupported`, `broker-url-invalid`.
 */
export function normaliseRedisUrl(text: string, option: string): string {
  const url = text.trim();
  if (url.startsWith('/')) return url;
  const scheme = /^([a-z][a-z0-9+._-]*):/i.exec(url)?.[1]?.toLowerCase() ?? '';
  if (scheme === 'unix' && /^unix:\/\/\//i.test(url)) return url.slice('unix://'.length);
  const other = OTHER_BROKERS[scheme.split('+')[0] ?? ''];
  if (other !== undefined) {
    throw usageError(
      'broker-url-unsupported',
      `${option} points to ${other}, and this queue is kept in Redis`,
      other === 'PostgreSQL'
        ? 'for BullMQ on PostgreSQL add --queue-backend postgres; else give a URL such as redis://127.0.0.1:6379'
        : 'give a URL such as redis://127.0.0.1:6379',
    );
  }
  if ((scheme === 'redis' || scheme === 'rediss') && URL.canParse(url)) return url;
  throw usageError(
    'broker-url-invalid',
    `${option} is no Redis URL`,
    'write redis://user:password@host:6379/0, or rediss:// for TLS; in the password, # is %23, / is %2F, @ is %40',
  );
}
