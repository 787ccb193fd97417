/** `run --queue http` on services whose queue is on Redis: FastAPI with Celery behind it, and the Node service with BullMQ. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CELERY_PYTHON, QUICK_FLAGS } from '../testing/celery-worker.ts';
import { createTables, startApi } from '../testing/extraction-service.ts';
import { hasPythonApi, startPythonApi } from '../testing/python-api.ts';
import { built, jsonReport, WorkFolder, type CliCall } from '../testing/run-cli.ts';
import { REDIS_SERVER, startTestPostgres, startTestRedis, type TestServer } from '../testing/servers.ts';
import { until } from '../testing/until.ts';

const ROOT = join(import.meta.dirname, '../..');
const TOKEN = 'token-that-nobody-may-see';
const WRONG_TOKEN = 'another-that-nobody-may-see';
const USER = { username: 'u', password: 'password-that-nobody-may-see' };

/** A service as its users know it, with a worker behind it. */
interface Service extends AsyncDisposable {
  readonly url: string;
  readonly uploads: string;
  readonly worker: { readonly command: string; readonly readyPattern: string; readonly env: object };
  /** Messages of jobs that the broker keeps, wherever. */
  messages(): Promise<readonly string[]>;
  /** The service is gone at once. */
  stop(): Promise<void>;
}

type StartService = (servers: Servers) => Promise<Service>;

interface Servers {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redis: Redis;
}

async function startFastapi({ databaseUrl, redisUrl, redis }: Servers): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), 'vr-fastapi-'));
  const uploads = join(folder, 'uploads');
  const env = { DATABASE_URL: databaseUrl, CELERY_BROKER_URL: redisUrl, CELERY_QUEUE: 'celery' };
  const api = await startPythonApi({
    ...env,
    API_TOKEN: TOKEN,
    API_USER: USER.username,
    API_PASSWORD: USER.password,
    API_UPLOADS: uploads,
  });
  const app = `--workdir ${join(ROOT, 'fixtures/celery-service')} -A app`;
  return {
    url: api.url,
    uploads,
    worker: {
      command: `exec ${CELERY_PYTHON} -m celery ${app} worker -l INFO -c 1 ${QUICK_FLAGS.join(' ')}`,
      readyPattern: String.raw` ready\.$`,
      env: {
        ...env,
        CELERY_VISIBILITY_TIMEOUT: '0.1',
        EXTRACTION_ITEM_MS: '500',
        PYTHONDONTWRITEBYTECODE: '1',
        TMPDIR: folder,
      },
    },
    async messages() {
      const lists = (await redis.keys('*')).filter((key) => !key.startsWith('_kombu.binding.'));
      return lists.filter((key) => key !== 'unacked_mutex');
    },
    stop: async () => api[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function startNode({ databaseUrl, redisUrl, redis }: Servers): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), 'vr-node-api-'));
  const uploads = join(folder, 'uploads');
  const env = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl };
  const secrets = { API_TOKEN: TOKEN, API_USER: USER.username, API_PASSWORD: USER.password };
  const api = await startApi({ ...env, ...secrets }, ['--backend', 'redis', '--uploads', uploads]);
  const stop = async (): Promise<void> => {
    api.signal('SIGKILL');
    await api.ended;
  };
  return {
    url: api.url,
    uploads,
    worker: {
      command: `exec ${process.execPath} ${built('fixtures/extraction-service/worker.js')} --backend redis --lock-duration 1000 --stalled-interval 500 --item-ms 500`,
      readyPattern: 'ready',
      env,
    },
    async messages() {
      const keys = await redis.keys('bull:extraction:*');
      return keys.filter((key) => /^bull:extraction:(?:[\w-]{36}(?::\w+)?|wait|active|delayed)$/.test(key));
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const SERVICES: readonly { readonly name: string; readonly here: boolean; readonly start: StartService }[] = [
  { name: 'FastAPI and Celery', here: hasPythonApi && CELERY_PYTHON !== null, start: startFastapi },
  { name: 'Node and BullMQ', here: true, start: startNode },
];

const here = SERVICES.filter((service) => service.here && REDIS_SERVER !== null);

describe.each(here)('$name', { timeout: 60_000 }, ({ start }) => {
  let servers: Servers & { readonly stops: readonly TestServer[] };
  let database: Pool;
  beforeAll(async () => {
    const [postgres, redis] = await Promise.all([startTestPostgres(), startTestRedis()]);
    const redisUrl = `${redis.url}/1`;
    const client = new Redis(redisUrl);
    client.on('error', () => undefined);
    servers = { databaseUrl: postgres.url, redisUrl, redis: client, stops: [postgres, redis] };
    database = new Pool({ connectionString: postgres.url });
    // Ended with the server.
    database.on('error', () => undefined);
    await createTables(database);
  });
  afterAll(async () => {
    servers.redis.disconnect();
    await database.end();
    await Promise.all(servers.stops.map((server) => server.stop()));
  });

  /** Runs with the queue's settings of a config file, and looks for tokens in all that was said and written. */
  async function verify(
    { url, worker }: Service,
    queue: Readonly<Record<string, unknown>>,
    withDatabase: boolean,
    meanwhile?: (call: CliCall) => Promise<void>,
  ) {
    const secrets = [TOKEN, WRONG_TOKEN, USER.password];
    await using folder = await WorkFolder.make({ secrets });
    const config = {
      queue: { kind: 'http', url, ...queue },
      worker,
      autoRestart: true,
      files: 4,
      settle: '1s',
    };
    await folder.write('verify-restart.config.json', JSON.stringify(config));
    const env = withDatabase ? { DATABASE_URL: servers.databaseUrl } : {};
    const call = await folder.start(['run', '--reporter', 'json'], env);
    await meanwhile?.(call);
    const result = await call.ended;
    expect(await folder.left()).toEqual([]);
    return { ...result, events: await folder.events() };
  }

  async function left(service: Service) {
    const { rows } = await database.query('select id from pybase.extraction_jobs');
    const uploads = await readdir(service.uploads).catch(() => []);
    return { rows: rows.length, uploads, messages: await service.messages() };
  }
  const NOTHING = { rows: 0, uploads: [], messages: [] };

  test.each([
    { withDatabase: true, queue: { login: { body: USER }, remove: {} } },
    { withDatabase: false, queue: { token: TOKEN, remove: {}, list: {} } },
  ])(
    'a crash is survived (with the database: $withDatabase), and nothing is left',
    async ({ withDatabase, queue }) => {
      await using service = await start(servers);
      const result = await verify(service, queue, withDatabase);
      const report = jsonReport(result);
      expect(report.criteria.filter(({ status }) => status === 'failed')).toEqual([]);
      expect(report).toMatchObject({ verdict: 'passed', outcome: 'handed-over' });
      const sources = new Set(
        result.events.flatMap((event) => (event.kind === 'observer:started' ? [event.source] : [])),
      );
      expect([...sources]).toEqual([withDatabase ? 'trigger' : 'poll']);
      expect(await left(service)).toEqual(NOTHING);
    },
  );

  test('a wrong token: one message, and nothing is made', async () => {
    await using service = await start(servers);
    const { exitCode, stderr } = await verify(service, { token: WRONG_TOKEN }, true);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/the API rejects the token \(401\): the token is not valid/);
    expect(await left(service)).toEqual(NOTHING);
  });

  const oneItemDone = (): Promise<unknown> =>
    until('a job with one item done', async () => {
      const { rows } = await database.query(
        'select from pybase.extraction_jobs where progress > 0 and progress < 100',
      );
      return rows.length > 0;
    });

  test('a service that goes away in the middle is no verdict without the database', async () => {
    await using service = await start(servers);
    const { exitCode, stdout, stderr } = await verify(
      service,
      { token: TOKEN, remove: {} },
      false,
      async () => {
        await oneItemDone();
        await service.stop();
      },
    );
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'error' });
    expect(stderr).toMatch(/refused the connection: nothing listens there/);
    expect(stderr).toMatch(/could not be removed/);
    await database.query('delete from pybase.extraction_jobs');
    await servers.redis.flushdb();
  });

  test('a service that goes away in the middle is not missed with the database', async () => {
    await using service = await start(servers);
    const { exitCode, stdout, stderr } = await verify(
      service,
      { token: TOKEN, remove: {} },
      true,
      async () => {
        await oneItemDone();
        await service.stop();
      },
    );
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'passed', outcome: 'handed-over' });
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/could not be removed/);
    await database.query('delete from pybase.extraction_jobs');
    await servers.redis.flushdb();
  });
});
