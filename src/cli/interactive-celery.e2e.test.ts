/** A person restarts a Celery worker by the panel, in a terminal: which process is named, and what a polite stop is called. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CELERY_PYTHON, QUICK_FLAGS } from '../testing/celery-worker.ts';
import { createTables } from '../testing/extraction-service.ts';
import { HAS_TERMINAL, WorkFolder, type CliCall } from '../testing/run-cli.ts';
import { REDIS_SERVER, startTestPostgres, startTestRedis, type TestServer } from '../testing/servers.ts';
import { readProcesses } from '../workers/process-table.ts';

const FIXTURE = join(import.meta.dirname, '../../fixtures/celery-service');
const here = CELERY_PYTHON !== null && REDIS_SERVER !== null && HAS_TERMINAL;

describe.skipIf(!here)('a Celery worker that a person restarts', { timeout: 60_000 }, () => {
  let postgres: TestServer;
  let redis: TestServer;
  let database: Pool;
  let broker: Redis;
  let temporary: string;
  const workers: ChildProcess[] = [];

  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startTestPostgres(), startTestRedis()]);
    database = new Pool({ connectionString: postgres.url });
    // Ended with the server.
    database.on('error', () => undefined);
    broker = new Redis(`${redis.url}/1`);
    broker.on('error', () => undefined);
    await createTables(database);
    temporary = await mkdtemp(join(tmpdir(), 'vr-celery-'));
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map(endGroup));
    await broker.flushdb();
  });
  afterAll(async () => {
    broker.disconnect();
    await database.end();
    await Promise.all([postgres.stop(), redis.stop()]);
    await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
  });

  /** As in a terminal of its own. Resolves when it is ready. */
  async function startWorker(): Promise<number> {
    const app = ['-m', 'celery', '--workdir', FIXTURE, '-A', 'app', 'worker', '-l', 'INFO', '-c', '1'];
    const worker = spawn(CELERY_PYTHON ?? '', [...app, ...QUICK_FLAGS], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '',
        DATABASE_URL: postgres.url,
        CELERY_BROKER_URL: `${redis.url}/1`,
        CELERY_VISIBILITY_TIMEOUT: '0.3',
        EXTRACTION_ITEM_MS: '400',
        PYTHONDONTWRITEBYTECODE: '1',
        TMPDIR: temporary,
      },
    });
    workers.push(worker);
    await new Promise<void>((resolve, reject) => {
      createInterface(worker.stderr).on('line', (line) => {
        if (line.endsWith(' ready.')) resolve();
      });
      worker.once('exit', () => reject(new Error('the worker ended at once')));
    });
    return worker.pid ?? 0;
  }

  async function endGroup(worker: ChildProcess): Promise<void> {
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    const exited = once(worker, 'exit');
    process.kill(-(worker.pid ?? 0), 'SIGKILL');
    await exited;
  }

  /** Until the panel is there, and whom it names. */
  async function panelOf(call: CliCall): Promise<number> {
    await call.shows(/press Enter to continue/);
    return Number(/^ +pid (\d+): /m.exec(call.output)?.[1]);
  }

  function startRun(folder: WorkFolder, ...args: readonly string[]): Promise<CliCall> {
    const env = { DATABASE_URL: postgres.url, CELERY_BROKER_URL: `${redis.url}/1` };
    return folder.startInTerminal(['run', '--queue', 'celery', '--files', '12', ...args], env);
  }

  /** Rows, messages wherever they may be, and answers to our questions. */
  async function left(): Promise<readonly string[]> {
    const { rows } = await database.query<{ id: string }>('select id from pybase.extraction_jobs');
    const keys = (await broker.keys('*')).filter((key) => !key.startsWith('_kombu.binding.'));
    const answers = await broker.smembers('_kombu.binding.reply.celery.pidbox');
    return [...rows.map(({ id }) => id), ...keys, ...answers.filter((name) => /verify-restart/.test(name))];
  }

  test('the panel names the parent of the pool, and a kill -9 of it is a crash that is survived', async () => {
    await using folder = await WorkFolder.make();
    const pid = await startWorker();
    const call = await startRun(folder);
    expect(await panelOf(call)).toBe(pid);
    const children = [...(await readProcesses()).values()].filter(({ parentPid }) => parentPid === pid);
    expect(children).toHaveLength(1);
    process.kill(pid, 'SIGKILL');
    await call.shows(new RegExp(`Seen: pid ${pid} is gone\\. Now start the worker again\\.`));
    await startWorker();
    const { exitCode } = await call.ended;
    expect(call.output).toContain('VERIFIED');
    expect(exitCode).toBe(0);
    expect(await left()).toEqual([]);
  });

  test('a plain kill is polite: while the job is held the worker waits, and the panel says so', async () => {
    await using folder = await WorkFolder.make();
    const pid = await startWorker();
    const call = await startRun(folder);
    await panelOf(call);
    // To the parent alone, which waits for its child. One that gets the signal itself, as by pkill, may die of it.
    process.kill(pid, 'SIGTERM');
    call.type('\r');
    await call.shows(/Not accepted: worker #1 lives on \(pid \d+\): it was not restarted\./);
    await call.shows(/plain kill and pkill are polite: it would wait for its job/);
    process.kill(-pid, 'SIGKILL');
    await startWorker();
    expect((await call.ended).exitCode).toBe(0);
    expect(await left()).toEqual([]);
  });

  test('pkill is polite: a job that was put back was not crashed, and that is no proof', async () => {
    await using folder = await WorkFolder.make();
    const pid = await startWorker();
    const exited = once(workers[0]!, 'exit');
    const call = await startRun(folder, '--no-hold');
    await panelOf(call);
    process.kill(-pid, 'SIGTERM');
    await exited;
    await startWorker();
    const { exitCode } = await call.ended;
    expect(call.output.replaceAll(/\s+/g, ' ')).toContain(
      'worker #1 handed the job back before it left: a polite stop, not a crash',
    );
    expect(call.output).toContain('docs/diagnoses.md#stopped-politely');
    expect(exitCode).toBe(4);
    expect(await left()).toEqual([]);
  });

  test('a kill of the parent alone waits for the job: it was finished, not crashed', async () => {
    await using folder = await WorkFolder.make();
    const pid = await startWorker();
    const exited = once(workers[0]!, 'exit');
    const call = await startRun(folder, '--no-hold');
    await panelOf(call);
    process.kill(pid, 'SIGTERM');
    await exited;
    await startWorker();
    const { exitCode } = await call.ended;
    expect(call.output).toContain('docs/diagnoses.md#stopped-politely');
    expect(call.output).not.toContain('docs/diagnoses.md#ended-before-restart');
    expect(exitCode).toBe(4);
    expect(await left()).toEqual([]);
  });
});
