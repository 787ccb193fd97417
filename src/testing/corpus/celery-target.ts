/** The Celery workers of the corpus: Debian's Celery on a Redis database or a RabbitMQ queue of the run's own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { celeryApp } from '../../../fixtures/broken-workers/defects/celery.ts';
import { CELERY_PYTHON, QUICK_FLAGS } from '../celery-worker.ts';
import type { CorpusTarget, RunPlace } from './targets.ts';

const FIXTURES = join(import.meta.dirname, '../../../fixtures');
const SERVICE = join(FIXTURES, 'celery-service');

export const CELERY_HERE = CELERY_PYTHON !== null;

export function celery(broker: 'redis' | 'rabbitmq'): CorpusTarget {
  return {
    title: broker === 'redis' ? 'Celery on Redis' : 'Celery on RabbitMQ',
    family: 'celery',
    needsRedis: broker === 'redis',
    needsRabbitmq: broker === 'rabbitmq',
    fill: async (client) =>
      client.query(await readFile(join(FIXTURES, 'extraction-service/schema.sql'), 'utf8')),
    // Workers of several rows hear each other's remote control on RabbitMQ: a name of its own tells them apart.
    flags: ({ queueName }) => [
      `worker -l INFO -c 1 --prefetch-multiplier 4 -n ${queueName}@%h`,
      ...QUICK_FLAGS,
    ],
    config: (place) => ({
      queue: { kind: 'celery', url: brokerUrl(broker, place), name: place.queueName },
      worker: {
        env: {
          PYTHONPATH: SERVICE,
          PYTHONDONTWRITEBYTECODE: '1',
          CELERY_BROKER_URL: brokerUrl(broker, place),
          CELERY_QUEUE: place.queueName,
          // Less than a worker takes to start: it finds due what the one before it had.
          CELERY_VISIBILITY_TIMEOUT: '0.1',
          EXTRACTION_ITEM_MS: '400',
          EXTRACTION_BACKOFF_MS: '100',
          // A pool that is killed leaves its temporary folders behind.
          TMPDIR: place.outputDir,
        },
      },
      // A worker of Celery's takes half a second to start, and one that is asked to stop two to leave.
      terminalTimeout: '8s',
      effects: {
        sql: 'select file_path, count(*) from pybase.extracted_documents where job_id = $1 group by 1',
      },
    }),
    command: (worker, flags) => {
      const { folder, app } = celeryApp(worker);
      return `exec ${CELERY_PYTHON} -m celery --workdir '${join(FIXTURES, folder)}' -A ${app} ${flags}`;
    },
  };
}

/** `unacked` is one for a whole Redis database, and a worker that starts puts back whatever lies in it. */
function brokerUrl(broker: 'redis' | 'rabbitmq', place: RunPlace): string {
  return broker === 'redis' ? `${place.redisUrl}/${place.redisDatabase}` : place.rabbitmqUrl;
}
