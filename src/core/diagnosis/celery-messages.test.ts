/** What became of a job on Celery: told apart by when its message went, by what the workers have told, and by their log. */
import { describe, expect, test } from 'vitest';
import { aRun, inFlight, type RunBuilder, type RunOptions } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';
import type { QueueFacts } from '../event.ts';
import { judge } from '../report.ts';

const CELERY = { queue: 'celery' } as const;

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.end());
}

function valuesOf(run: RunBuilder, id: string): unknown {
  return judge(run.end()).diagnoses.find((diagnosis) => diagnosis.id === id)?.values;
}

const says = (run: RunBuilder, text: string): RunBuilder =>
  run.event({ kind: 'note', code: 'worker-line', text });

/** Worker 2 is there, the message is gone, and nothing came of it. */
function lost(run: RunBuilder): RunBuilder {
  return run.broker({ state: 'gone', owner: null }).gone().starts(2).ready(2).timesOut();
}

describe('what a worker says of the message after the restart', () => {
  const ID = 'message-of-job-1';
  /** Worker 2 was handed it, said this, and nothing came of it. */
  const said = (line: string, options: RunOptions = {}): RunBuilder => {
    const run = inFlight({ ...CELERY, ...options })
      .broker({ deliveries: null })
      .strike()
      .gone()
      .starts(2)
      .ready(2);
    return says(run, `worker #2: ${line}`).broker({ state: 'gone', owner: null, messages: null }).timesOut();
  };
  const causesOf = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());

  test.each([
    [`Task extract_bulk[${ID}] raised unexpected: MaxRetriesExceededError("…")`, 0],
    [`Hard time limit (3.0s) exceeded for extract_bulk[${ID}]`, 0],
    [`Discarding revoked task: extract_bulk[${ID}]`, 1],
  ])('it failed, or was thrown away, and the row was not told: %s', (line, discarded) => {
    expect(causesOf(said(line))).toEqual(['broker-gave-up-row-not-told']);
    expect(valuesOf(said(line), 'broker-gave-up-row-not-told')).toEqual({
      line: `worker #2: ${line}`,
      discarded,
    });
  });

  test('a worker that tells nothing leaves it open whether the message was acknowledged or nobody looks for it', () => {
    const silent = { state: 'unknown', owner: null, due: { kind: 'unknown' }, facts: {} } as const;
    const untold = (options: RunOptions): RunBuilder =>
      inFlight(options).broker(silent).strike().gone().starts(2).ready(2).broker(silent).timesOut();
    expect(valuesOf(untold(CELERY), 'never-reclaimed')).toMatchObject({ silent: 1 });
    expect(valuesOf(untold({}), 'never-reclaimed')).not.toHaveProperty('silent');
  });

  test('of another message, before the restart, or of a child that died, it is not that', () => {
    const failed = `Task extract_bulk[${ID}] raised unexpected: ValueError()`;
    expect(causesOf(said('Task extract_bulk[other] raised unexpected: ValueError()'))).not.toContain(
      'broker-gave-up-row-not-told',
    );
    expect(causesOf(said(failed.replace('ValueError', 'WorkerLostError')))).not.toContain(
      'broker-gave-up-row-not-told',
    );
    const noted = inFlight(CELERY).broker({ deliveries: null }).strike().gone().starts(2).ready(2);
    noted.event({ kind: 'note', code: 'later', text: failed }).broker({ state: 'gone', owner: null });
    expect(causesOf(noted.timesOut())).not.toContain('broker-gave-up-row-not-told');
    const beside = aRun(CELERY).job('witness-ended').submitted().picksUp(1).completed().job().submitted();
    beside.picksUp(1).progress(20).broker({ deliveries: null }).strike().gone().starts(2).ready(2);
    says(beside, `worker #2: ${failed}`).broker({ state: 'gone', owner: null, messages: null });
    expect(causesOf(beside.timesOut())).toContain('broker-gave-up-row-not-told');
    const before = says(inFlight(CELERY), failed).strike().gone().starts(2).ready(2);
    expect(causesOf(before.broker({ state: 'gone', owner: null }).timesOut())).not.toContain(
      'broker-gave-up-row-not-told',
    );
    expect(causesOf(said(failed, { queue: 'bullmq' }))).not.toContain('broker-gave-up-row-not-told');
    const ended = inFlight(CELERY).strike().gone().starts(2).ready(2).picksUp(2).completed();
    expect(causesOf(says(ended, failed))).toEqual([]);
  });

  test('the queue was emptied when it started', () => {
    const line = 'purge: Erased 2 messages from the queue.';
    expect(causesOf(said(line))).toEqual(['deleted-at-boot']);
    expect(valuesOf(said(line), 'deleted-at-boot')).toMatchObject({ incarnation: 2, message: 1 });
    expect(causesOf(said('purge: Erased 0 messages from the queue.'))).not.toContain('deleted-at-boot');
    expect(causesOf(said('purge: Erased 12 messages from the queue.'))).toContain('deleted-at-boot');
    const noted = inFlight(CELERY).broker({ deliveries: null }).strike().gone().starts(2).ready(2);
    noted.event({ kind: 'note', code: 'later', text: line }).broker({ state: 'gone', owner: null });
    expect(causesOf(noted.timesOut())).not.toContain('deleted-at-boot');
    const before = says(inFlight(CELERY), line).strike().gone().starts(2).ready(2);
    expect(causesOf(before.broker({ state: 'gone', owner: null }).timesOut())).not.toContain(
      'deleted-at-boot',
    );
    expect(causesOf(said(line, { queue: 'bullmq' }))).not.toContain('deleted-at-boot');
  });
});

describe('acknowledged on receipt', () => {
  const early = (facts: QueueFacts = {}, options: RunOptions = {}): RunBuilder =>
    lost(
      inFlight({ ...CELERY, ...options })
        .broker({ state: 'gone', owner: null, facts })
        .strike(),
    );

  test('nothing was kept while a worker was at work', () => {
    expect(causes(early())).toEqual(['acked-before-done']);
    expect(valuesOf(early({ acksLate: false, pool: 'solo' }), 'acked-before-done')).toEqual({
      celery: 1,
      progress: 20,
      pool: 'solo',
      acksLate: 'false',
      rejectOnWorkerLost: null,
    });
  });

  test('where the broker does not tell, by the worker’s word, or by a crash that leaves nothing of it', () => {
    const untold = (polite: boolean, facts: QueueFacts): readonly string[] =>
      causes(
        lost(
          inFlight({ ...CELERY, polite })
            .broker({ state: 'unknown', messages: null, facts })
            .strike(),
        ),
      );
    expect(untold(true, {})).not.toContain('acked-before-done');
    expect(untold(true, { acksLate: true })).not.toContain('acked-before-done');
    expect(untold(true, { acksLate: false })).toContain('acked-before-done');
    expect(untold(false, {})).toEqual(['acked-before-done']);
    expect(untold(false, { acksLate: true })).not.toContain('acked-before-done');
  });

  test('not while it waits for its retry, when the message of the run that failed may go', () => {
    const run = inFlight({ ...CELERY, strikeAt: 'retrying' }).row({ status: 'retrying', retryCount: 1 }, 1);
    expect(causes(lost(run.broker({ state: 'gone', owner: null }).strike()))).not.toContain(
      'acked-before-done',
    );
  });

  test('not where its message is still there at the end', () => {
    const run = inFlight(CELERY).broker({ state: 'gone', owner: null }).strike().gone().starts(2).ready(2);
    expect(causes(run.broker({ state: 'waiting' }).timesOut())).not.toContain('acked-before-done');
  });

  test('not on another queue, where what is gone was popped', () => {
    const run = inFlight().broker({ state: 'gone', owner: null }).strike();
    expect(causes(lost(run))).toEqual(['popped-without-copy']);
  });
});

describe('a task that was split', () => {
  const split = (end: Partial<Parameters<RunBuilder['broker']>[0]>): RunBuilder =>
    inFlight(CELERY)
      .broker({ state: 'gone', owner: null, facts: { further: 3 } })
      .strike()
      .gone()
      .starts(2)
      .ready(2)
      .broker({ state: 'gone', owner: null, facts: {}, ...end })
      .timesOut();

  test('waits for members that died', () => {
    expect(causes(split({}))).toEqual(['group-waits-for-the-dead']);
    expect(valuesOf(split({}), 'group-waits-for-the-dead')).toEqual({ further: 3, progress: 20 });
  });

  test('not as long as some of them are there', () => {
    expect(causes(split({ facts: { further: 1 } }))).toEqual([]);
  });
});

describe('a child of the pool that died', () => {
  const LINE = "WorkerLostError('Worker exited prematurely: signal 9')";
  const died = (facts: QueueFacts, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL', line = LINE): RunBuilder =>
    lost(
      says(
        inFlight({ ...CELERY, polite: signal === 'SIGTERM' })
          .broker({ facts })
          .strike(signal),
        line,
      ),
    );

  test('was acknowledged as a failure by its parent', () => {
    expect(causes(died({ rejectOnWorkerLost: false }))).toEqual(['child-death-acked']);
    expect(valuesOf(died({ acksLate: true }), 'child-death-acked')).toMatchObject({
      line: LINE,
      reach: 'tree',
      acksLate: 'true',
    });
  });

  test('was put back by a parent that is set so, and swallowed by its last request', () => {
    const kept = { acksLate: true, rejectOnWorkerLost: true };
    expect(causes(died(kept, 'SIGTERM'))).toEqual(['lost-in-shutdown-window']);
    expect(causes(died(kept))).toEqual([]);
    expect(causes(died({ ...kept, acksLate: false }, 'SIGTERM'))).toEqual(['child-death-acked']);
  });

  test('without a word of it in the log, a polite stop acknowledged the job', () => {
    expect(causes(died({}, 'SIGTERM', 'warm shutdown'))).toEqual(['acked-on-shutdown']);
    expect(valuesOf(died({ pool: 'solo' }, 'SIGTERM', 'bye'), 'acked-on-shutdown')).toMatchObject({
      signal: 'SIGTERM',
      reach: 'tree',
      pool: 'solo',
    });
    expect(causes(died({}, 'SIGKILL', 'nothing'))).toEqual([]);
  });
});

describe('a job that nobody began with', () => {
  const waiting = (): RunBuilder =>
    aRun({ ...CELERY, strikeAt: 'pending' })
      .job()
      .submitted()
      .strike();

  test('was lost as the worker stopped', () => {
    expect(causes(lost(waiting()))).toContain('lost-in-shutdown-window');
    expect(causes(lost(inFlight(CELERY).strike()))).not.toContain('lost-in-shutdown-window');
  });

  test('or dropped, because no worker knows the task', () => {
    const run = (): RunBuilder => lost(says(waiting(), "Received unregistered task of type 'x'."));
    expect(causes(run())).toContain('task-not-registered');
    expect(causes(run())).not.toContain('lost-in-shutdown-window');
    expect(valuesOf(run(), 'task-not-registered')).toMatchObject({ task: 'extract_bulk' });
  });

  test('a word of that about a job that has ended means another', () => {
    const run = says(inFlight(CELERY), 'unregistered task').strike().gone().starts(2).ready(2).picksUp(2);
    expect(causes(run.progress(60).completed())).toEqual([]);
    expect(causes(lost(says(inFlight().strike(), 'unregistered task')))).not.toContain('task-not-registered');
  });
});

describe('a retry', () => {
  const retrying = (end: 'gone' | 'waiting'): RunBuilder =>
    inFlight({ ...CELERY, strikeAt: 'retrying', backoff: { baseMs: 100, factor: 2 } })
      .row({ status: 'retrying', retryCount: 1 }, 1)
      .broker({ state: 'delayed', owner: null })
      .strike()
      .gone()
      .starts(2)
      .ready(2)
      .broker({ state: end })
      .timesOut();

  test('that lay in the memory of the dead', () => {
    expect(causes(retrying('gone'))).toContain('retry-in-memory');
    expect(valuesOf(retrying('gone'), 'retry-in-memory')).toMatchObject({ retries: 1 });
  });

  test('is only what nobody takes where it waits in the queue', () => {
    expect(causes(retrying('waiting'))).toContain('nobody-listens');
    expect(valuesOf(retrying('waiting'), 'retry-in-memory')).not.toMatchObject({ retries: 1 });
  });
});

describe('handed out again while its worker was at it', () => {
  const overlap = (visibilityTimeoutMs: number): RunBuilder =>
    inFlight(CELERY)
      .broker({ facts: { visibilityTimeoutMs } })
      .strike()
      .gone()
      .starts(2)
      .ready(2)
      .picksUp(2)
      .starts(3)
      .ready(3)
      .picksUp(3)
      .progress(60, 2)
      .wait(1_000)
      .completed(3);

  test('the visibility timeout was shorter than the work', () => {
    expect(causes(overlap(500))).toContain('lock-shorter-than-work');
    expect(valuesOf(overlap(500), 'lock-shorter-than-work')).toMatchObject({ visibilityMs: 500 });
    expect(causes(overlap(5_000))).not.toContain('lock-shorter-than-work');
  });
});

test('what is not due yet is told by the visibility timeout', () => {
  const facts = { visibilityTimeoutMs: 3_600_000, visibilityTimeoutTold: true };
  const run = inFlight(CELERY).broker({ lockUntilMs: 3_600_000, facts }).strike().gone().starts(2).ready(2);
  run.broker({ due: { kind: 'at', atMs: 3_600_000 }, state: 'waiting', lockUntilMs: 3_600_000 }).timesOut();
  expect(valuesOf(run, 'not-yet-due')).toMatchObject({
    visibilityMs: 3_600_000,
    told: 1,
    dueAt: '2026-01-31 13:00:00 UTC',
  });
});
