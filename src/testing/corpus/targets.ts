/** The targets of the corpus: what a kind of queue needs in its database, and the configuration that its workers share. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runMigrations } from 'bullmq';
import type { Client } from 'pg';
import { TABLE_SERVICE } from '../../../fixtures/table-service/columns.ts';
import type { UserConfig } from '../../config/define-config.ts';
import { HAS_RABBITMQ } from '../rabbitmq.ts';
import { REDIS_SERVER } from '../servers.ts';
import { celery, CELERY_HERE } from './celery-target.ts';
import type { TargetKind } from './row.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** What one run has to itself. */
export interface RunPlace {
  readonly queueName: string;
  /** Empty where the target needs none. */
  readonly redisUrl: string;
  /** The number of a Redis database that no other run uses at the same time. */
  readonly redisDatabase: number;
  readonly rabbitmqUrl: string;
  readonly outputDir: string;
}

export interface CorpusTarget {
  /** The column of the matrix. */
  readonly title: string;
  /** Targets of one family share their workers: what they were found guilty of stands side by side. */
  readonly family: 'table' | 'bullmq' | 'celery';
  readonly needsRedis: boolean;
  readonly needsRabbitmq?: boolean;
  /** Fills the template database that every run gets a copy of. */
  readonly fill: (client: Client) => Promise<unknown>;
  /** Flags of every worker of the target. */
  readonly flags: (place: RunPlace) => readonly string[];
  readonly config: (place: RunPlace) => UserConfig;
  /** The shell command of a worker; a built script that Node runs, if absent. */
  readonly command?: (worker: string, flags: string) => string;
}

export const TARGETS: Readonly<Record<TargetKind, CorpusTarget>> = {
  table: {
    title: 'table',
    family: 'table',
    needsRedis: false,
    fill: async (client) => client.query(await schemaOf('table-service')),
    flags: () => ['--item-ms', '300', '--lease-ms', '1000', '--poll-ms', '50', '--backoff-ms', '100'],
    config: () => ({
      ...TABLE_SERVICE,
      queue: { kind: 'none' },
      worker: { readyPattern: /^table worker ready/ },
    }),
  },
  'bullmq-redis': {
    ...bullmq('redis'),
    title: 'BullMQ on Redis',
    needsRedis: true,
    fill: async (client) => client.query(await schemaOf('extraction-service')),
  },
  'bullmq-postgres': {
    ...bullmq('postgres'),
    title: 'BullMQ on PostgreSQL',
    needsRedis: false,
    fill: async (client) => {
      await client.query(await schemaOf('extraction-service'));
      await runMigrations(client);
    },
  },
  'celery-redis': celery('redis'),
  'celery-rabbitmq': celery('rabbitmq'),
};

function bullmq(backend: 'redis' | 'postgres'): Pick<CorpusTarget, 'family' | 'flags' | 'config'> {
  return {
    family: 'bullmq',
    flags: ({ queueName }) => [
      `--backend ${backend} --queue ${queueName} --item-ms 300`,
      '--lock-duration 1000 --stalled-interval 500 --attempts-backoff-ms 100',
    ],
    config: ({ queueName, redisUrl }) => ({
      queue: { kind: 'bullmq', backend, name: queueName, ...(backend === 'redis' ? { url: redisUrl } : {}) },
      worker: {
        readyPattern: /worker ready/,
        ...(backend === 'redis' ? { env: { REDIS_URL: redisUrl } } : {}),
      },
      effects: {
        sql: 'select file_path, count(*) from pybase.extracted_documents where job_id = $1 group by 1',
      },
    }),
  };
}

function schemaOf(service: string): Promise<string> {
  return readFile(join(ROOT, 'fixtures', service, 'schema.sql'), 'utf8');
}

/** Whether this machine has what the workers of a target need. */
export function isHere(target: TargetKind): boolean {
  const { family, needsRedis, needsRabbitmq } = TARGETS[target];
  if (needsRedis && REDIS_SERVER === null) return false;
  if (needsRabbitmq === true && !HAS_RABBITMQ) return false;
  return family !== 'celery' || CELERY_HERE;
}

/** The built worker of a row. */
export function builtWorker(worker: string): string {
  return join(ROOT, 'dist/fixtures', `${worker}.js`);
}
