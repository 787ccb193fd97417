import { describe, expect, test } from 'vitest';
import { isToldWhole, mergeFacts, type WorkerFacts } from './remote-control.ts';
import { checkWorkers } from './worker-checks.ts';

const TASK = 'extract_bulk';

function worker(host: string, tasks: readonly string[] | null): WorkerFacts {
  return {
    host,
    pid: 1,
    pool: 'prefork',
    queues: ['celery'],
    tasks:
      tasks === null
        ? null
        : new Map(tasks.map((name) => [name, { acksLate: true, rejectOnWorkerLost: false }])),
    visibilityTimeoutMs: 1_000,
  };
}

describe('what the preflight says of the workers', () => {
  test('one that knows the task, and how it acknowledges', () => {
    expect(checkWorkers([worker('a@h', [TASK])], TASK)).toEqual([
      {
        check: 'workers',
        status: 'ok',
        text: 'a@h answers and knows extract_bulk (prefork, acks_late on, reject_on_worker_lost off)',
      },
    ]);
  });

  test('nobody answers: a warning with a remedy, because a busy worker may not', () => {
    expect(checkWorkers([], TASK)).toMatchObject([
      { status: 'warning', remedy: expect.stringContaining('solo') },
    ]);
  });

  test('none of those that have told knows it: refused, with what they know', () => {
    expect(() => checkWorkers([worker('a@h', ['other'])], TASK)).toThrow(
      expect.objectContaining({ code: 'task-not-registered', remedy: expect.stringContaining('other') }),
    );
  });

  test('one that has not told its tasks in time is not one that does not know the task', () => {
    expect(checkWorkers([worker('a@h', ['other']), worker('b@h', null)], TASK)).toMatchObject([
      { status: 'warning', text: 'b@h consumes the queue and did not tell its tasks in time' },
      { status: 'warning', text: expect.stringContaining('a@h consumes the queue too and does not know') },
    ]);
  });
});

describe('what a worker has told', () => {
  const told = worker('a@h', [TASK]);
  const silent: WorkerFacts = { ...told, pool: null, queues: null, tasks: null, visibilityTimeoutMs: null };

  test('is not taken back by a question that it did not answer again', () => {
    expect(mergeFacts(told, { ...silent, pid: 2 })).toEqual({ ...told, pid: 2 });
    expect(mergeFacts(undefined, silent)).toEqual(silent);
    expect(mergeFacts(told, worker('a@h', ['other'])).tasks?.has(TASK)).toBe(false);
  });

  test('is whole when it has answered every question', () => {
    expect([told, silent, { ...told, visibilityTimeoutMs: 'default' as const }].map(isToldWhole)).toEqual([
      true,
      false,
      true,
    ]);
  });
});
