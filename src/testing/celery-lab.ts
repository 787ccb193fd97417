/** Celery on its two brokers for the contract suite. */
import { connect, type GetMessage } from 'amqplib';
import { Redis } from 'ioredis';
import type { QueueSettings } from '../config/settings.ts';
import { normaliseCeleryUrl } from '../config/broker-url.ts';
import { openQueue } from '../queues/index.ts';
import { taskEnvelope, taskMessage } from '../queues/celery/message.ts';
import { readTaskCall } from '../queues/celery/payload.ts';
import { labContext, LAB_TASK } from './bullmq-lab.ts';
import { startCeleryWorker } from './celery-worker.ts';
import type { LabWorker, QueueLab, SendOptions } from './queue-lab.ts';
import { startTestRabbitmq } from './rabbitmq.ts';
import { startTestRedis } from './servers.ts';
import { until } from './until.ts';

/** Shorter than a worker takes to start, so that the next one finds due what a killed one had. */
export const LAB_VISIBILITY_MS = 100;

export function celerySettings(url: string, name: string): QueueSettings {
  return {
    kind: 'celery',
    backend: 'redis',
    url,
    name,
    task: LAB_TASK,
    payload: (job) => ({ kwargs: { jobId: job.id } }),
    prefix: '',
    schema: '',
  };
}

export async function celeryRedisLab(): Promise<QueueLab> {
  const server = await startTestRedis();
  const url = `${server.url}/1`;
  const admin = new Redis(url);
  admin.on('error', () => undefined);
  const unacked = async (queue: string): Promise<readonly (readonly [string, string])[]> =>
    Object.entries(await admin.hgetall('unacked')).filter(([, value]) => JSON.parse(value)[2] === queue);
  return {
    tells: {
      ends: false,
      deliveries: false,
      messages: true,
      names: false,
      queues: false,
      recovery: 'visibility',
    },
    payload: (fields) => ({ kwargs: fields }),
    open: (name, options) => openQueue(celerySettings(url, name), labContext(options?.requestTimeoutMs)),
    async content(name) {
      const keys = (await admin.keys('*')).filter(
        (key) => key === name || key.startsWith(`${name}\u0006`) || key === `_kombu.binding.${name}`,
      );
      const values = await Promise.all(
        keys
          .sort()
          .map(
            async (key) =>
              `${key} ${(await admin.type(key)) === 'list' ? (await admin.lrange(key, 0, -1)).join(' ') : ''}`,
          ),
      );
      const delivered = await Promise.all(
        (await unacked(name)).map(
          async ([tag, value]) => `${tag} ${value} ${await admin.zscore('unacked_index', tag)}`,
        ),
      );
      return [...values, ...delivered.sort()].join('\n');
    },
    async send(name, id, task, data, options) {
      await admin.lpush(name, taskEnvelope(messageOf(id, task, data, options), name));
    },
    worker: (name, workerName) =>
      labWorker(url, name, workerName, async (id) => {
        await until(
          'the acknowledgement',
          async () => !(await unacked(name)).some(([, value]) => value.includes(id)),
        );
      }),
    async breakOff(submit) {
      process.kill(server.pid, 'SIGSTOP');
      try {
        return await submit();
      } finally {
        process.kill(server.pid, 'SIGCONT');
      }
    },
    stopBroker: () => server.stop(),
    async leftovers() {
      const keys = await admin.keys('*');
      const members = await admin.smembers('_kombu.binding.reply.celery.pidbox');
      return [...keys.filter((key) => key.includes('verify-restart')), ...members];
    },
    async [Symbol.asyncDispose]() {
      admin.disconnect();
      await server.stop();
    },
  };
}

export async function celeryRabbitmqLab(): Promise<QueueLab> {
  const server = await startTestRabbitmq();
  const url = normaliseCeleryUrl(server.url, 'the test');
  const admin = await connect(url);
  admin.on('error', () => undefined);
  return {
    tells: {
      ends: false,
      deliveries: false,
      messages: false,
      names: false,
      queues: true,
      recovery: 'connection',
    },
    payload: (fields) => ({ kwargs: fields }),
    open: (name, options) => openQueue(celerySettings(url, name), labContext(options?.requestTimeoutMs)),
    async content(name) {
      const channel = await admin.createChannel();
      channel.on('error', () => undefined);
      try {
        await channel.checkQueue(name);
        const ids: string[] = [];
        for (;;) {
          const message: GetMessage | false = await channel.get(name);
          if (message === false) break;
          ids.push(String(message.properties.headers?.['id']));
        }
        // In the order in which they lie there; closing the channel puts them back.
        return [`queue ${name}`, ...ids].join('\n');
      } catch {
        return '';
      } finally {
        await channel.close().catch(() => undefined);
      }
    },
    async send(name, id, task, data, options) {
      const message = messageOf(id, task, data, options);
      const channel = await admin.createConfirmChannel();
      channel.sendToQueue(name, Buffer.from(message.body), {
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        headers: message.headers,
      });
      await channel.waitForConfirms();
      await channel.close();
    },
    worker: (name, workerName) => labWorker(url, name, workerName, () => Promise.resolve()),
    async breakOff(submit) {
      process.kill(-server.pid, 'SIGSTOP');
      try {
        return await submit();
      } finally {
        process.kill(-server.pid, 'SIGCONT');
      }
    },
    stopBroker: () => server.stop(),
    // Its queue of answers is exclusive: it ends with our connection.
    leftovers: () => Promise.resolve([]),
    async [Symbol.asyncDispose]() {
      await server.stop();
    },
  };
}

function messageOf(id: string, task: string, data: unknown, options: SendOptions | undefined) {
  const countdown = options?.delayMs === undefined ? {} : { countdown: options.delayMs / 1000 };
  return taskMessage(id, task, readTaskCall({ kwargs: data, ...countdown }), Date.now());
}

async function labWorker(
  brokerUrl: string,
  queue: string,
  name: string | undefined,
  acknowledged: (id: string) => Promise<void>,
): Promise<LabWorker> {
  const worker = await startCeleryWorker({
    brokerUrl,
    queue,
    ...(name === undefined ? {} : { name }),
    transportOptions: brokerUrl.startsWith('redis') ? { visibility_timeout: LAB_VISIBILITY_MS / 1000 } : {},
  });
  return {
    pid: worker.pid,
    started: async (id) => (await worker.line(new RegExp(`active ${id} `))).replace(/^.*?active \S+ /, ''),
    tell: (id, order) => void worker.tell(id, order),
    async ended(id) {
      await worker.line(new RegExp(`${id}\\] (?:succeeded|raised)`));
      await acknowledged(id);
    },
    kill: () => worker.kill(),
    [Symbol.asyncDispose]: () => worker.kill(),
  };
}
