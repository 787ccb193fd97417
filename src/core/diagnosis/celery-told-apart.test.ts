/** Causes on Celery that look alike, and what keeps each of them from being named for another. */
import { describe, expect, test } from 'vitest';
import { aRun, inFlight, type RunBuilder, type RunOptions } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import { createHistory } from '../history.ts';

const CELERY = { queue: 'celery' } as const;
const POLITE = { ...CELERY, polite: true } as const;
const OPERATOR = { ...CELERY, restartBy: 'operator', named: false } as const;
const KEPT = { acksLate: true, rejectOnWorkerLost: true };
const CHILD_LOST = "WorkerLostError('Worker exited prematurely: signal 9')";
const GONE = { state: 'gone', owner: null } as const;
const WAITS = { state: 'waiting', owner: null, due: { kind: 'now' } } as const;

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());
const says = (run: RunBuilder, text: string): RunBuilder =>
  run.event({ kind: 'note', code: 'worker-line', text });
/** Worker 2 is there. */
const next = (run: RunBuilder): RunBuilder => run.gone().starts(2).ready(2);
/** … the message is gone, and nothing came of it. */
const lost = (run: RunBuilder): RunBuilder => next(run.broker(GONE)).timesOut();
const waiting = (options: RunOptions = CELERY): RunBuilder =>
  aRun({ ...options, strikeAt: 'pending' })
    .job()
    .submitted();

describe('acknowledged on receipt', () => {
  test('is not told of what waited, whose message went before anybody began', () => {
    const run = waiting().broker(GONE).strike();
    expect(causes(lost(run))).toEqual(['lost-in-shutdown-window']);
  });

  test('… nor of a message that a new worker got all the same', () => {
    const run = next(inFlight(CELERY).broker(GONE).strike()).picksUp(2).broker(GONE).timesOut();
    expect(causes(run)).toEqual(['row-and-queue-disagree']);
  });

  test('is told of a polite stop too', () => {
    expect(causes(lost(inFlight(POLITE).broker(GONE).strike()))).toEqual(['acked-before-done']);
  });

  test('is not concluded where a worker was not killed at once, or only its child was', () => {
    const unknown = { state: 'unknown', messages: null } as const;
    const killed = inFlight(CELERY).broker(unknown).strike('SIGKILL', 'child');
    expect(causes(lost(killed))).not.toContain('acked-before-done');
    const byCommand = inFlight({ ...CELERY, restartBy: 'command', named: false })
      .broker(unknown)
      .strike();
    expect(causes(lost(byCommand))).not.toContain('acked-before-done');
    expect(causes(lost(inFlight(OPERATOR).broker(unknown).strike()))).not.toContain('acked-before-done');
  });

  test('is not told of a drain: its message went with the end of the job', () => {
    expect(causes(next(inFlight(POLITE).strike().completed(1)))).toEqual([]);
  });
});

describe('a task that was split', () => {
  const split = (): RunBuilder =>
    next(
      inFlight(CELERY)
        .broker({ ...GONE, facts: { further: 3 } })
        .strike(),
    );

  test('waits for nobody while the message that ends it waits itself', () => {
    const run = split().broker({ state: 'waiting', owner: null, facts: {} }).timesOut();
    expect(causes(run)).toEqual(['nobody-listens']);
  });

  test('is not told of where the row was deleted, or the run is not over', () => {
    const deleted = split().deletes(2).broker({ facts: {} }).timesOut();
    expect(causes(deleted)).toEqual(['deleted-at-boot']);
    expect(diagnosedAs(split().broker({ facts: {} }).history())).toEqual([]);
  });
});

describe('a child of the pool that died', () => {
  test('did no harm where its message is still there', () => {
    const stays = (options: RunOptions): RunBuilder =>
      next(says(inFlight(options).broker({ facts: KEPT }).strike(), CHILD_LOST));
    expect(causes(stays(POLITE).broker(WAITS).timesOut())).toEqual(['nobody-listens']);
    const unset = next(says(inFlight(CELERY).strike(), CHILD_LOST)).broker(WAITS);
    expect(causes(unset.timesOut())).toEqual(['nobody-listens']);
  });

  test('lost nothing that had been acknowledged before', () => {
    expect(causes(lost(says(inFlight(CELERY).broker(GONE).strike(), CHILD_LOST)))).toEqual([
      'acked-before-done',
    ]);
  });

  test('is told by a worker’s own line alone', () => {
    const note = { kind: 'note', code: 'broker-silent', text: CHILD_LOST } as const;
    expect(causes(lost(inFlight(POLITE).strike().event(note)))).toEqual(['acked-on-shutdown']);
  });

  test('of which its log says nothing has not been put back', () => {
    expect(causes(lost(inFlight(POLITE).broker({ facts: KEPT }).strike()))).toEqual(['acked-on-shutdown']);
  });

  test('of a worker that a person restarted: by which signal is not known', () => {
    const run = lost(says(inFlight(OPERATOR).broker({ facts: KEPT }).strike(), CHILD_LOST));
    expect(causes(run)).not.toContain('lost-in-shutdown-window');
  });

  test('had been at another job, where this one was not begun', () => {
    const run = lost(says(waiting(POLITE).broker({ facts: KEPT }).strike(), CHILD_LOST)).end();
    expect(diagnosedAs(run)).toEqual(['lost-in-shutdown-window']);
    expect(valuesOfDiagnosis(run, 'lost-in-shutdown-window')).toEqual({});
  });
});

describe('acknowledged on the way out', () => {
  test('is not told of what is still there, or had only been fetched', () => {
    const there = next(inFlight(POLITE).strike()).broker(WAITS).timesOut();
    expect(causes(there)).toEqual(['nobody-listens']);
    const fetched = waiting(POLITE).broker({ state: 'active', owner: 'worker 1' }).strike();
    expect(causes(lost(fetched))).toEqual(['lost-in-shutdown-window']);
  });

  test.each(['operator', 'command'] as const)('is not told of a restart by %s, which may be a kill', (by) => {
    const run = inFlight({ ...CELERY, restartBy: by, named: false }).strike();
    expect(causes(lost(run))).not.toContain('acked-on-shutdown');
  });
});

describe('a message that nobody began with', () => {
  test('was not lost while it waits', () => {
    expect(causes(next(waiting(POLITE).strike()).timesOut())).toEqual(['nobody-listens']);
  });

  test('is none of which a worker had begun, though it gave the row back', () => {
    const back = { status: 'pending', taskId: null };
    expect(causes(lost(inFlight(POLITE).strike().row(back, 1)))).toEqual(['acked-on-shutdown']);
  });

  test('is no cause where the row was deleted', () => {
    expect(causes(lost(waiting(POLITE).strike().deletes('psql')))).toEqual([]);
    expect(causes(lost(says(waiting().strike().deletes('psql'), 'unregistered task')))).toEqual([]);
  });

  test('is not looked for on another queue', () => {
    const run = lost(aRun({ strikeAt: 'pending' }).job().submitted().strike());
    expect(causes(run)).not.toContain('lost-in-shutdown-window');
  });
});

describe('a retry in memory', () => {
  const retrying = (options: RunOptions, retryCount = 1): RunBuilder =>
    inFlight({ ...CELERY, ...options }).row({ status: 'retrying', retryCount }, 1);
  const AT = { strikeAt: 'retrying' } as const;
  const delayed = (): RunBuilder => retrying(AT).broker({ state: 'delayed', owner: null }).strike();

  /** As the broker showed it; `undefined`: at most the row tells that it never came. */
  const toldByBroker = (run: RunBuilder): unknown =>
    valuesOfDiagnosis(run.end(), 'retry-in-memory')?.['broker'];

  test('is one that the broker keeps nothing of, or delays', () => {
    expect(toldByBroker(lost(retrying(AT).broker(GONE).strike()))).toBe('the broker keeps nothing of it');
    expect(toldByBroker(lost(delayed()))).toBe('the broker keeps nothing of it');
  });

  test('is none where the message is held, the run goes on, or nothing has failed yet', () => {
    expect(toldByBroker(lost(retrying(AT).strike()))).toBeUndefined();
    const further = retrying({}).row({ status: 'processing' }, 1).broker(GONE).strike();
    expect(toldByBroker(lost(further))).toBeUndefined();
    expect(toldByBroker(lost(retrying(AT, 0).broker(GONE).strike()))).toBeUndefined();
  });

  test('is none where it came, or the row was deleted', () => {
    expect(causes(next(delayed()).picksUp(2).progress(60).completed())).toEqual([]);
    expect(toldByBroker(lost(delayed().deletes('psql')))).toBeUndefined();
  });
});

describe('a visibility timeout', () => {
  /** Handed to worker 3 while worker 2 is at it; it had waited in the queue for two seconds before all that. */
  const overlap = (visibilityTimeoutMs: number): RunBuilder => {
    const run = aRun(CELERY).job().submitted().wait(2_000).picksUp(1).progress(20);
    next(run.broker({ facts: { visibilityTimeoutMs } }).strike()).picksUp(2);
    return run.starts(3).ready(3).picksUp(3).progress(60, 2).wait(1_000);
  };
  const values = (run: RunBuilder) => valuesOfDiagnosis(run.end(), 'lock-shorter-than-work');

  test('is compared with the time from the pick-up to the end, or to the last write', () => {
    const tookMs = Number(values(overlap(500).completed(3))?.['tookMs']);
    expect(tookMs).toBeGreaterThan(1_000);
    expect(tookMs).toBeLessThan(2_000);
    expect(values(overlap(tookMs - 1).completed(3))).toEqual({ visibilityMs: tookMs - 1, tookMs });
    expect(values(overlap(tookMs).completed(3))).toBeUndefined();
    expect(Number(values(overlap(50).timesOut())?.['tookMs'])).toBeLessThan(1_000);
    expect(Number(values(overlap(50).timesOut())?.['tookMs'])).toBeGreaterThan(50);
  });

  const due = (facts: Record<string, number | boolean>, lockUntilMs: number | null): RunBuilder =>
    next(inFlight(CELERY).strike())
      .broker({ state: 'waiting', due: { kind: 'at', atMs: 3_600_000 }, lockUntilMs, facts })
      .timesOut();

  test('says when it ends, and whether a worker told it', () => {
    const facts = { visibilityTimeoutMs: 3_600_000 };
    const guessed = due(facts, 3_600_000).end();
    expect(valuesOfDiagnosis(guessed, 'not-yet-due')).toMatchObject({ visibilityMs: 3_600_000, told: 0 });
    const told = due({ ...facts, visibilityTimeoutTold: true }, 3_600_000).end();
    expect(valuesOfDiagnosis(told, 'not-yet-due')).toMatchObject({
      told: 1,
      dueAt: '2026-01-31 13:00:00 UTC',
    });
  });

  test('says nothing of a message that nobody holds, or where the beginning of the run is lost', () => {
    const facts = { visibilityTimeoutMs: 3_600_000 };
    expect(valuesOfDiagnosis(due(facts, null).end(), 'not-yet-due')).not.toHaveProperty('dueAt');
    const { events } = due(facts, 3_600_000).end();
    const cut = createHistory(events.filter(({ kind }) => kind !== 'run:started'));
    expect(valuesOfDiagnosis(cut, 'not-yet-due')).not.toHaveProperty('dueAt');
    expect(diagnosedAs(cut)).toContain('not-yet-due');
  });
});
