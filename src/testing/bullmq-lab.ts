/** BullMQ's two stores for the contract suite. */
import { createPostgresBackend, Queue as BullmqQueue, runMigrations } from 'bullmq';
import { Redis } from 'ioredis';
import { Pool } from 'pg';

import type { QueueSettings } from '../config/settings.ts';
import { openQueue } from '../queues/index.ts';
import type { QueueContext } from '../queues/queue.ts';
import { LAB_INTERVAL_MS, LAB_LOCK_MS, type LabWorker, type QueueLab, type Tells } from './queue-lab.ts';
import { startTestPostgres, startTestRedis } from './servers.ts';
import { startTestWorker, type TestWorkerOptions } from './bullmq-worker.ts';

export const LAB_TASK = 'extract_bulk';

const BULLMQ_TELLS: Tells = {
  ends: true,
  deliveries: true,
  messages: true,
  names: true,
  queues: true,
  recovery: 'lock',
};

export function labSettings(backend: QueueSettings['backend'], url: string, name: string): QueueSettings {
  return {
    kind: 'bullmq',
    backend,
    url,
    name,
    task: LAB_TASK,
    payload: (job) => ({ jobId: job.id }),
    prefix: 'bull',
    schema: 'bullmq',
  };
}

/** A run that began with this process: its times are those of `performance.now()`. */
export function labContext(requestTimeoutMs?: number): QueueContext {
  return {
    databaseUrl: null,
    clock: { now: () => Math.round(performance.now()) },
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  };
}

export async function redisLab(): Promise<QueueLab> {
  const server = await startTestRedis();
  const { url } = server;
  const connection = { host: '127.0.0.1', port: server.port };
  const admin = new Redis(server.port);
  admin.on('error', () => undefined);
  return {
    tells: BULLMQ_TELLS,
    payload: (fields) => fields,
    leftovers: () => Promise.resolve([]),
    open: (name, options) =>
      openQueue(labSettings('redis', url, name), labContext(options?.requestTimeoutMs)),
    async content(name) {
      const keys = (await admin.keys(`bull:${name}:*`)).sort();
      const values = await Promise.all(keys.map((key) => admin.dumpBuffer(key)));
      return keys.map((key, index) => `${key} ${values[index]?.toString('hex') ?? ''}`).join('\n');
    },
    async send(name, id, task, data, options) {
      const queue = new BullmqQueue(name, { connection, skipMetasUpdate: true });
      await queue.add(task, data, { jobId: id, delay: options?.delayMs ?? 0 });
      await queue.close();
    },
    worker: (name, workerName) => labWorker({ backend: 'redis', connection, queue: name }, workerName),
    async breakOff(submit) {
      process.kill(server.pid, 'SIGSTOP');
      try {
        return await submit();
      } finally {
        process.kill(server.pid, 'SIGCONT');
      }
    },
    stopBroker: () => server.stop(),
    async [Symbol.asyncDispose]() {
      admin.disconnect();
      await server.stop();
    },
  };
}

export async function postgresLab(): Promise<QueueLab> {
  const server = await startTestPostgres();
  const { url } = server;
  const connection = { connectionString: url };
  const admin = new Pool({ connectionString: url });
  admin.on('error', () => undefined);
  await runMigrations(admin);
  return {
    tells: BULLMQ_TELLS,
    payload: (fields) => fields,
    leftovers: () => Promise.resolve([]),
    open: (name, options) =>
      openQueue(labSettings('postgres', url, name), labContext(options?.requestTimeoutMs)),
    async content(name) {
      const tables = ['job', 'event', 'meta', 'metrics', 'rate_limit', 'dedup', 'job_log'];
      const rows = await Promise.all(
        tables.map((table) =>
          admin.query(
            `select '${table}' as table, to_jsonb(t)::text as row from bullmq.${table} t where queue = $1`,
            [name],
          ),
        ),
      );
      return rows.flatMap((result) => result.rows.map((row) => JSON.stringify(row)).sort()).join('\n');
    },
    async send(name, id, task, data, options) {
      const queue = new BullmqQueue(name, { connection, skipMetasUpdate: true }, createPostgresBackend);
      await queue.add(task, data, { jobId: id, delay: options?.delayMs ?? 0 });
      await queue.close();
    },
    worker: (name, workerName) => labWorker({ backend: 'postgres', connection, queue: name }, workerName),
    async breakOff(submit) {
      const lock = await admin.connect();
      let frozen: number | null = null;
      try {
        await lock.query('begin');
        await lock.query('lock table bullmq.job in share mode');
        const outcome = submit();
        frozen = await blockedBackend(admin);
        process.kill(frozen, 'SIGSTOP');
        return await outcome;
      } finally {
        await lock.query('rollback');
        if (frozen !== null) process.kill(frozen, 'SIGCONT');
        lock.release();
      }
    },
    stopBroker: () => server.stop(),
    async [Symbol.asyncDispose]() {
      await server.stop();
      await admin.end().catch(() => undefined);
    },
  };
}

/** The backend of our own connection that waits for a lock. */
async function blockedBackend(admin: Pool): Promise<number> {
  for (;;) {
    const { rows } = await admin.query<{ pid: number }>(
      `select pid from pg_stat_activity where application_name = 'verify-restart' and wait_event_type = 'Lock'`,
    );
    const [row] = rows;
    if (row !== undefined) return row.pid;
  }
}

async function labWorker(options: TestWorkerOptions, name: string | undefined): Promise<LabWorker> {
  const worker = await startTestWorker({
    ...options,
    options: {
      lockDuration: LAB_LOCK_MS,
      stalledInterval: LAB_INTERVAL_MS,
      ...(name === undefined ? {} : { name }),
    },
  });
  return {
    pid: worker.pid,
    started: async (id) => (await worker.line(`active ${id} `)).slice(`active ${id} `.length),
    tell: (id, order) => worker.tell(id, order),
    ended: (id) => worker.line(`ended ${id}`),
    kill: () => worker.kill(),
    [Symbol.asyncDispose]: () => worker.kill(),
  };
}
