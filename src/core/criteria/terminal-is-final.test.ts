import { describe, expect, test } from 'vitest';
import { handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'terminal-is-final');
}

describe('passed', () => {
  test('nothing came after the end', () => {
    expect(seen(handedOver())).toBe('passed unchanged-after-end');
  });

  test('the transaction that ended it wrote twice', () => {
    const run = restarted()
      .picksUp(2)
      .row({ status: 'completed' }, 2, 'one')
      .row({ progress: 100 }, 2, 'one');
    expect(seen(run)).toBe('passed unchanged-after-end');
  });

  test('the completion time was filled in', () => {
    const run = restarted().picksUp(2).row({ status: 'completed' }, 2);
    expect(seen(run.row({ completedAt: '2026-01-31T12:00:01+00:00' }, 2))).toBe('passed unchanged-after-end');
  });

  test('the claim was given up after the end', () => {
    const run = restarted().picksUp(2, { owner: 'w2', leaseUntil: 'soon' }).completed();
    expect(seen(run.row({ owner: null, leaseUntil: null, heartbeatAt: 'late' }, 2))).toBe(
      'passed unchanged-after-end',
    );
  });

  test('a column that is not known changed', () => {
    expect(seen(handedOver().row({}, 'notifier'))).toBe('passed unchanged-after-end');
  });

  test('a write of the dead that the hold had kept back', () => {
    const run = inFlight({ restartBy: 'operator', named: false })
      .strike()
      .gone()
      .starts(2)
      .picksUp(2)
      .completed();
    run.progress(40, 1);
    const { writer } = run.history().of('row:version').at(-1)!;
    const leftBackends = [writer!.backendPid];
    run.event({ kind: 'hold:released', job: 'job-1', heldMs: 5, terminatedBackends: [], leftBackends });
    expect(seen(run)).toBe('passed unchanged-after-end');
  });
});

describe('failed', () => {
  test('failed when a new worker started, then completed: it looks perfect', () => {
    const history = restarted()
      .row({ status: 'failed', error: 'interrupted' }, 2)
      .picksUp(2)
      .completed()
      .end();
    expect(judgedAs(history, 'terminal-is-final')).toBe('failed changed-after-end');
    expect(findingOf(history, 'changed-after-end')).toMatchObject({
      state: 'failed',
      now: 'processing',
      incarnation: 2,
    });
  });

  test('run again after it was completed', () => {
    expect(seen(handedOver().picksUp(2).completed())).toBe('failed changed-after-end');
  });

  test('straight from one end to another', () => {
    expect(seen(handedOver().failed('too late', 1))).toBe('failed changed-after-end');
  });

  test('late progress, and by whom', () => {
    const history = handedOver().progress(60, 1).end();
    expect(judgedAs(history, 'terminal-is-final')).toBe('failed changed-after-end');
    expect(findingOf(history, 'changed-after-end')).toMatchObject({ columns: 'progress', incarnation: 1 });
  });
});

test('inconclusive where the run ended before it could settle', () => {
  expect(judgedAs(handedOver().history(), 'terminal-is-final')).toBe('inconclusive not-settled');
});

test('skipped where it never ended', () => {
  expect(seen(restarted().timesOut())).toBe('skipped no-end-to-compare');
});

describe('what is filled in after the end', () => {
  const ended = (): RunBuilder => restarted().picksUp(2).progress(40);

  test('a completion time, and a claim that is given up, are no changes', () => {
    const run = ended().row({ status: 'completed' }, 2).row({ completedAt: '2026-01-31T12:00:02+00:00' }, 2);
    expect(seen(run.row({ taskId: null }, 2))).toBe('passed unchanged-after-end');
  });

  test('nor is a time that is written back with fewer digits', () => {
    const exact = '2026-01-31T12:00:01.123999+00:00';
    const run = (again: string): RunBuilder =>
      ended().row({ status: 'completed', completedAt: exact }, 2).row({ completedAt: again }, 2);
    expect(seen(run('2026-01-31T12:00:01.123+00:00'))).toBe('passed unchanged-after-end');
    expect(seen(run('2026-01-31T12:00:01.124+00:00'))).toBe('passed unchanged-after-end');
    expect(seen(run('2026-01-31T12:00:01.126+00:00'))).toBe('failed changed-after-end');
    expect(seen(run('2026-01-31T12:00:01.123999'))).toBe('failed changed-after-end');
    const started = (startedAt: string): RunBuilder => ended().row({ startedAt }, 2);
    const saved = started(exact).completed(2).row({ startedAt: '2026-01-31T12:00:01.124+00:00' }, 2);
    expect(seen(saved)).toBe('passed unchanged-after-end');
  });

  test('late progress is a change, also of a job that never got a completion time', () => {
    const run = ended().row({ status: 'completed', progress: 100 }, 2).row({ progress: 60 }, 2);
    expect(seen(run)).toBe('failed changed-after-end');
  });

  test('of an end that is left again all that was emptied is named', () => {
    const left = ended().completed().row({ status: 'pending', taskId: null, completedAt: null }, 2);
    expect(findingOf(left.end(), 'changed-after-end')).toMatchObject({
      columns: 'status, taskId, completedAt',
    });
  });

  test('another completion time, another claim, or a start that had not been there are', () => {
    const columns = (run: RunBuilder): unknown => findingOf(run.end(), 'changed-after-end');
    const completed = (): RunBuilder => ended().completed();
    expect(columns(completed().row({ completedAt: '2026-01-31T12:09:00+00:00' }, 2))).toMatchObject({
      columns: 'completedAt',
    });
    expect(columns(completed().row({ taskId: 'another' }, 2))).toMatchObject({ columns: 'taskId' });
    const unstarted = ended().row({ startedAt: null }, 2).completed().row({ startedAt: 'late' }, 2);
    expect(columns(unstarted)).toMatchObject({ columns: 'startedAt' });
  });

  test('a row that is deleted after its end is another criterion’s matter', () => {
    expect(seen(ended().completed().deletes('psql'))).toBe('passed unchanged-after-end');
  });
});
