/** Runs one row of the corpus: a database and a queue of its own, one verification, and what the hand-written script would have said. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { UserConfig } from '../../config/define-config.ts';
import { loadSettings } from '../../config/load.ts';
import { mergeConfigs } from '../../config/merge-configs.ts';
import type { Event } from '../../core/event.ts';
import { createHistory } from '../../core/history.ts';
import type { Report } from '../../core/report.ts';
import type { Operator } from '../../verification/context.ts';
import { verify } from '../../verification/verify.ts';
import type { TestPostgres, TestServer } from '../servers.ts';
import { missesOf, unseenIn, type Observed } from './judge-row.ts';
import type { CorpusRow, TargetKind } from './row.ts';
import { scriptSays } from './script-says.ts';
import { builtWorker, TARGETS, type RunPlace } from './targets.ts';
// Rows are run side by side, and a module that one of them is still loading is given to the next half made (by jiti,
// which runs the corpus from its sources). So what a run loads when it needs it is loaded here.
/* oxlint-disable import/no-unassigned-import */
import '../../queues/bullmq/bullmq.ts';
import '../../queues/bullmq/postgres-store.ts';
import '../../queues/bullmq/redis-store.ts';
import '../../queues/celery/amqp-broker.ts';
import '../../queues/celery/celery.ts';
import '../../queues/celery/redis-broker.ts';
import '../../queues/none/none.ts';
/* oxlint-enable import/no-unassigned-import */

export interface RowResult {
  readonly row: CorpusRow;
  readonly observed: Observed;
  readonly report: Report;
  readonly failed: readonly string[];
  readonly diagnoses: readonly string[];
  /** What the checks of a hand-written script would have said of the same run. */
  readonly script: string;
  /** Why it is not as expected; empty: it is. */
  readonly misses: readonly string[];
  readonly events: readonly Event[];
  readonly ms: number;
}

/** What all rows share; a run that is lost has to end soon. */
const SHARED: UserConfig = {
  autoRestart: true,
  files: 5,
  processingTimeout: '15s',
  terminalTimeout: '5s',
  retries: { baseDelay: '100ms' },
};

/** By which URL the harness comes to the database, and by which the worker. */
export interface Ways {
  readonly harness: string;
  readonly worker: string;
}

export interface CorpusPlace {
  readonly server: TestPostgres;
  /** `null`: none is here, and rows that need one cannot run. */
  readonly redis: TestServer | null;
  readonly rabbitmq?: TestServer | null;
  readonly outputDir: string;
  /** `trigger` if absent. */
  readonly observe?: Observed;
  /** Leaves the fault out. */
  readonly disarmed?: boolean;
  /** Who restarts the worker where the row's configuration has `autoRestart` off. */
  readonly operator?: Operator;
  /** The ways to a database that is called so, where they are not the server's own. */
  readonly ways?: (database: string) => Ways;
  /** Something that goes on beside the run, with the database that it is about. */
  readonly beside?: (databaseUrl: string) => Promise<AsyncDisposable>;
}

/** A Redis server has 16 databases, and the first is BullMQ's. */
const REDIS_DATABASES = Array.from({ length: 15 }, (_, index) => index + 1);
const takenDatabases = new Set<number>();

/** A Redis database that is no other run's: in one that is shared, the start of a worker hands out the other's messages. */
function takeRedisDatabase(): number {
  const free = REDIS_DATABASES.find((number) => !takenDatabases.has(number));
  if (free === undefined) throw new Error(`no more than ${REDIS_DATABASES.length} runs at a time`);
  takenDatabases.add(free);
  return free;
}

/** A broken worker leaves keys of its own behind: the next run in that database is to begin without them. */
async function giveBackRedisDatabase(number: number, redis: TestServer | null): Promise<void> {
  if (redis !== null) {
    const client = new Redis(`${redis.url}/${number}`);
    await client.flushdb();
    client.disconnect();
  }
  takenDatabases.delete(number);
}

export async function runRow(row: CorpusRow, place: CorpusPlace): Promise<RowResult> {
  const startedMs = performance.now();
  const observed = place.observe ?? 'trigger';
  const database = `corpus_${randomBytes(6).toString('hex')}`;
  await administer(place.server.url, `create database ${database} template ${templateOf(row.target)}`);
  const url = place.server.urlOf(database);
  const redisDatabase = takeRedisDatabase();
  let neighbour: AsyncDisposable | undefined;
  try {
    if (row.setup !== undefined) await administer(url, row.setup);
    const ways = place.ways?.(database) ?? { harness: url, worker: url };
    const own: RunPlace = {
      queueName: database,
      redisUrl: place.redis?.url ?? '',
      redisDatabase,
      rabbitmqUrl: place.rabbitmq?.url ?? '',
      outputDir: place.outputDir,
    };
    const settings = await loadSettings({
      flags: {},
      env: {},
      cwd: process.cwd(),
      isTTY: place.operator !== undefined,
      demo: mergeConfigs(configOf(row, own, ways), { outputDir: place.outputDir, observe: observed }),
    });
    const events: Event[] = [];
    neighbour = await place.beside?.(url);
    const { report, problem } = await verify(settings, {
      toolVersion: 'corpus',
      onEvent: (event) => events.push(event),
      disarmed: place.disarmed ?? false,
      ...(place.operator === undefined ? {} : { operator: place.operator }),
    });
    const failed = report.criteria.filter(({ status }) => status === 'failed').map(({ id }) => id);
    const diagnoses = report.diagnoses.map(({ id }) => id);
    const script = scriptSays(createHistory(events));
    const found = { verdict: report.verdict, failed, diagnoses, unseen: unseenIn(report) };
    const misses = problem === null ? missesOf(row, found, observed) : [problem.message];
    return {
      row,
      observed,
      report,
      failed,
      diagnoses,
      script,
      misses,
      events,
      ms: performance.now() - startedMs,
    };
  } finally {
    await neighbour?.[Symbol.asyncDispose]();
    await giveBackRedisDatabase(redisDatabase, place.redis);
    await administer(place.server.url, `drop database ${database} with (force)`);
  }
}

/** Makes the databases that the runs of these targets get copies of. */
export async function makeTemplates(server: TestPostgres, targets: Iterable<TargetKind>): Promise<void> {
  for (const target of new Set(targets)) {
    await administer(server.url, `create database ${templateOf(target)}`);
    await withClient(server.urlOf(templateOf(target)), TARGETS[target].fill);
  }
}

function templateOf(target: TargetKind): string {
  return `template_${target.replaceAll('-', '_')}`;
}

async function administer(url: string, sql: string): Promise<void> {
  await withClient(url, (client) => client.query(sql));
}

async function withClient(url: string, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

function configOf(row: CorpusRow, place: RunPlace, ways: Ways): UserConfig {
  const target = TARGETS[row.target];
  const flags = [...target.flags(place), ...(row.flags ?? [])].join(' ');
  const command =
    target.command?.(row.worker, flags) ?? `exec '${process.execPath}' '${builtWorker(row.worker)}' ${flags}`;
  return mergeConfigs(SHARED, target.config(place), row.config ?? {}, {
    scenario: row.scenario,
    strikeAt: row.strikeAt,
    database: { url: ways.harness },
    worker: { command, env: { DATABASE_URL: ways.worker } },
  });
}
