/** BullMQ, on Redis or on PostgreSQL. */
import type { QueueSettings } from '../../config/settings.ts';
import type { Queue, QueueContext } from '../queue.ts';
import { brokerState, estimateRecovery } from './stalled.ts';
import type { BullmqStore } from './store.ts';

/** A killed worker's connection is seen as closed by the server within milliseconds; a second is plenty. */
const CONSUMERS_GONE_TIMEOUT_MS = 1_000;
const CONSUMERS_POLL_MS = 50;

/**
 * Connects lazily, and anew where the connection was lost.
 * @throws UserError `usage` for settings that BullMQ cannot work with: no URL, a URL of another system, a name with a colon.
 */
export async function openBullmq(settings: QueueSettings, context: QueueContext): Promise<Queue> {
  const { clock } = context;
  const store = await openStore(settings, context);
  return {
    kind: 'bullmq',
    title: settings.backend === 'postgres' ? 'BullMQ on PostgreSQL' : 'BullMQ on Redis',
    backend: settings.backend,
    queueName: settings.name,
    ping: () => store.ping(),
    consumers: () => store.consumers(),
    submit: (submission) => store.submit(submission),
    inspect: async (message) => brokerState(await store.look(message), clock.now()),
    leftovers: (message) => store.leftovers(message),
    estimateRecovery: async (message) => estimateRecovery(await store.look(message), clock.now()),
    purge: (message) => store.purge(message),
    absentKeys: () => store.absentKeys(),
    async removeKeys(absent) {
      if (absent.length > 0 && (await hasNoConsumers(store))) await store.removeKeys(absent);
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function openStore(settings: QueueSettings, context: QueueContext): Promise<BullmqStore> {
  switch (settings.backend) {
    case 'redis':
      return (await import('./redis-store.ts')).openRedisStore(settings, context);
    case 'postgres':
      return (await import('./postgres-store.ts')).openPostgresStore(settings, context);
  }
}

/** Where consumers cannot be listed, they may be there: then `false`. */
async function hasNoConsumers(store: BullmqStore): Promise<boolean> {
  const deadline = performance.now() + CONSUMERS_GONE_TIMEOUT_MS;
  for (;;) {
    const consumers = await store.consumers();
    if (consumers?.length === 0) return true;
    if (consumers === null || performance.now() > deadline) return false;
    await new Promise((resolve) => {
      setTimeout(resolve, CONSUMERS_POLL_MS);
    });
  }
}
