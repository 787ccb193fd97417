/** Where a queue is kept, for people and reports. */
import type { QueueSettings } from './settings.ts';

/** @returns `null` for a queue that has no choice */
export function backendOf({
  kind,
  backend,
  url,
}: Pick<QueueSettings, 'kind' | 'backend' | 'url'>): string | null {
  switch (kind) {
    case 'bullmq':
      return backend;
    case 'celery':
      return url?.startsWith('amqp') === true ? 'rabbitmq' : 'redis';
    case 'http':
    case 'sql':
    case 'command':
    case 'none':
      return null;
  }
}
