import { expect, test } from 'vitest';
import type { Sources } from './given.ts';
import { queueSettings } from './queue-settings.ts';

const variable = (name: string, value: string) => ({ value, from: name, folder: '/' });

function sources(variables: Sources['variables']): Sources {
  return { flags: {}, variables, config: {}, configName: '', configFolder: '/', cwd: '/', env: {} };
}

test('a Celery system names its broker by CELERY_BROKER_URL first, its queue is celery', () => {
  const both = {
    REDIS_URL: variable('REDIS_URL', 'redis://cache'),
    CELERY_BROKER_URL: variable('CELERY_BROKER_URL', 'amqp://broker'),
  };
  expect(queueSettings(sources(both), 'celery', undefined).queue).toMatchObject({
    url: 'amqp://guest:guest@broker/%2F',
    name: 'celery',
  });
  expect(queueSettings(sources({ REDIS_URL: both.REDIS_URL }), 'celery', undefined).queue.url).toBe(
    'redis://cache',
  );
  expect(queueSettings(sources({}), 'celery', undefined).queue.url).toBe('redis://127.0.0.1:6379/1');
});

test('a queue without a broker has no URL', () => {
  expect(queueSettings(sources({}), 'none', undefined).queue.url).toBeNull();
});
