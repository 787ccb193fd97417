/** The broker's URL: which kinds there are, and what the URLs of Redis and RabbitMQ may look like. */
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

/**
 * What kombu takes for Redis and for RabbitMQ, in the form that our clients take: `amqp://` or `amqps://` with host,
 * port and virtual host written out; `redis://`, `rediss://` or a socket's path.
 *
 * @throws UserError `broker-url-unsupported`, `broker-url-invalid`
 */
export function normaliseCeleryUrl(text: string, option: string): string {
  const url = text.trim();
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+._-]*):\/\/(.*)$/is.exec(url) ?? [];
  switch (scheme.toLowerCase()) {
    case 'amqp':
    case 'pyamqp':
    case 'librabbitmq':
      return normaliseAmqpUrl('amqp', rest, option);
    case 'amqps':
      return normaliseAmqpUrl('amqps', rest, option);
    case 'redis+socket':
    case 'socket': {
      const [path = '', parameters = ''] = rest.split('?');
      const database = new URLSearchParams(parameters).get('virtual_host');
      return `/${path.replace(/^\/+/, '')}${database === null ? '' : `?db=${database}`}`;
    }
    case 'sentinel':
    case 'sqs':
    case 'gcpubsub':
    case 'kafka':
    case 'memory':
    case 'filesystem':
      throw usageError(
        'broker-url-unsupported',
        `${option} names a broker of the kind ${scheme}, and Celery is verified on Redis and RabbitMQ`,
        'give a URL such as redis://127.0.0.1:6379/1 or amqp://guest:guest@127.0.0.1:5672//',
      );
    default:
      return normaliseRedisUrl(url, option);
  }
}

/** kombu's reading: without a host it is this machine, without a path the virtual host `/`, which `//` means too. */
function normaliseAmqpUrl(scheme: 'amqp' | 'amqps', rest: string, option: string): string {
  const [, credentials = '', address = '', path = ''] =
    /^(?:([^/]*)@)?([^/?@]*)(\/[^?]*)?(?:\?.*)?$/s.exec(rest) ?? [];
  const host = address === '' ? '127.0.0.1' : address;
  const virtualHost = path.slice(1) === '' ? '/' : path.slice(1);
  const url = `${scheme}://${credentials === '' ? 'guest:guest' : credentials}@${host}/${encodeVirtualHost(virtualHost)}`;
  if (URL.canParse(url)) return url;
  throw usageError(
    'broker-url-invalid',
    `${option} is no URL of a RabbitMQ server`,
    'write amqp://user:password@host:5672/virtual-host, or amqps:// for TLS; in the password, # is %23, / is %2F, @ is %40',
  );
}

function encodeVirtualHost(virtualHost: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(virtualHost));
  } catch {
    return encodeURIComponent(virtualHost);
  }
}
