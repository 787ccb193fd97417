/** What the preflight says of Celery's workers by their own words. */
import { environmentError } from '../../core/errors.ts';
import type { QueueCheck } from '../queue.ts';
import type { WorkerFacts } from './remote-control.ts';

/** @throws UserError `task-not-registered` where all have told their tasks and none knows it: its message would be dropped */
export function checkWorkers(workers: readonly WorkerFacts[], task: string): readonly QueueCheck[] {
  if (workers.length === 0) {
    return [
      {
        check: 'workers',
        status: 'warning',
        text: 'no worker answers remote control, so what it knows and how it acknowledges is not known',
        remedy:
          'a worker of the pool solo answers when it is idle; others do unless worker_enable_remote_control is off',
      },
    ];
  }
  const knowing = workers.filter(({ tasks }) => tasks?.has(task) === true);
  const silent = workers.filter(({ tasks }) => tasks === null);
  if (knowing.length === 0 && silent.length === 0) throw notRegistered(workers, task);
  return [
    ...knowing.map((facts) => ok(facts, task)),
    ...silent.map(({ host }) => warning(`${host} consumes the queue and did not tell its tasks in time`)),
    ...workers
      .filter((facts) => !knowing.includes(facts) && !silent.includes(facts))
      .map(({ host }) =>
        warning(`${host} consumes the queue too and does not know the task ${task}: it would drop it`),
      ),
  ];
}

function warning(text: string): QueueCheck {
  return { check: 'workers', status: 'warning', text };
}

function ok({ host, pool, tasks }: WorkerFacts, task: string): QueueCheck {
  const { acksLate, rejectOnWorkerLost } = tasks?.get(task) ?? {};
  const settings = [
    pool ?? 'a pool it does not name',
    `acks_late ${onOrOff(acksLate)}`,
    `reject_on_worker_lost ${onOrOff(rejectOnWorkerLost)}`,
  ];
  return {
    check: 'workers',
    status: 'ok',
    text: `${host} answers and knows ${task} (${settings.join(', ')})`,
  };
}

function onOrOff(value: boolean | null | undefined): string {
  return value === true ? 'on' : 'off';
}

function notRegistered(workers: readonly WorkerFacts[], task: string): Error {
  const known = [...new Set(workers.flatMap(({ tasks }) => [...(tasks?.keys() ?? [])]))].sort();
  const hosts = workers.map(({ host }) => host).join(', ');
  return environmentError(
    'task-not-registered',
    `no worker knows the task ${task}: ${hosts} would drop its message`,
    known.length === 0
      ? 'start the worker with the module that defines it (-A, include or imports)'
      : `name one that is registered with --task (${known.slice(0, 10).join(', ')}), or start the worker with the module that defines it`,
  );
}
