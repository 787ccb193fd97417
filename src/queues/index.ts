/** The kinds of queue, and the one place that opens them. */
import type { QueueKind, QueueSettings } from '../config/settings.ts';
import { usageError } from '../core/errors.ts';
import type { Queue, QueueContext } from './queue.ts';

type QueueFactory = (settings: QueueSettings, context: QueueContext) => Promise<Queue>;

/** Each loads its client library only when it is asked for, so that `--help` and other queues do not pay for it. */
const QUEUES: Readonly<Partial<Record<QueueKind, QueueFactory>>> = {
  none: async (_settings, context) => (await import('./none/none.ts')).openNone(context),
  bullmq: async (settings, context) => (await import('./bullmq/bullmq.ts')).openBullmq(settings, context),
  celery: async (settings, context) => (await import('./celery/celery.ts')).openCelery(settings, context),
  http: async (settings, context) => (await import('./http/http.ts')).openHttp(settings, context),
};

/**
 * Opens the queue that the settings name. Nothing is connected before the first call of one of its methods.
 * @throws UserError `usage` for a kind that is not there, and for settings that the kind cannot work with.
 */
export async function openQueue(settings: QueueSettings, context: QueueContext): Promise<Queue> {
  const open = QUEUES[settings.kind];
  if (open === undefined) {
    throw usageError(
      'queue-kind-unsupported',
      `--queue ${settings.kind} is not supported yet.`,
      `Supported: ${Object.keys(QUEUES).join(', ')}.`,
    );
  }
  return open(settings, context);
}
