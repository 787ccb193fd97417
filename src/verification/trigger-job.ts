/** Step 3: the message. An answer that never came is uncertain, not a failure: the row will tell. */
import { randomUUID } from 'node:crypto';
import { record, type Observing, type JobOnHand } from './context.ts';
import type { ReservedIds } from './prepare-job.ts';
import { submitByApi } from './submit-by-api.ts';

export async function triggerJob(run: Observing, job: JobOnHand, ids: ReservedIds): Promise<JobOnHand> {
  if (run.queue.api !== undefined) return submitByApi(run, job, ids);
  const { queue, settings } = run;
  const messageId = randomUUID();
  const payload = settings.queue.payload({
    id: job.id,
    filePaths: job.files,
    taskId: messageId,
    options: {},
  });
  const thing = {
    kind: 'message',
    queue: queue.kind,
    queueName: queue.queueName,
    job: job.id,
    messageId,
  } as const;
  record(run, { kind: 'made', thing });
  const outcome = await queue.submit({ job: job.id, messageId, task: settings.queue.task, payload });
  record(run, {
    kind: 'job:submitted',
    job: job.id,
    role: job.role,
    messageId: outcome.messageId,
    task: settings.queue.task,
    certainty: outcome.certainty,
    ...(outcome.problem === undefined ? {} : { problem: outcome.problem }),
  });
  if (outcome.messageId !== messageId) {
    record(run, { kind: 'removed', thing });
    record(run, { kind: 'made', thing: { ...thing, messageId: outcome.messageId } });
  }
  return { ...job, message: { job: job.id, messageId: outcome.messageId } };
}
