import { describe, expect, test } from 'vitest';
import { handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.end());
}

const control = (run: RunBuilder): RunBuilder => run.job('control').submitted().picksUp(2).completed();
const failedAtBoot = (run: RunBuilder): RunBuilder =>
  run
    .row(
      { status: 'failed', error: 'interrupted', taskId: null, completedAt: '2026-01-31T12:00:01+00:00' },
      2,
    )
    .looks();

describe('ended wrongly', () => {
  test('failed by a new worker at its start, then completed by the redelivery', () => {
    expect(causes(failedAtBoot(restarted()).picksUp(2).completed())).toContain('failed-at-boot');
  });

  test('failed by a new worker at its start, and left so', () => {
    expect(causes(control(failedAtBoot(restarted())))).toEqual(['failed-at-boot']);
  });

  test('marked completed by a new worker that had not been handed it', () => {
    expect(causes(restarted().row({ status: 'completed' }, 2).looks())).toContain('ended-unworked');
  });

  test('failed by the old worker on its way out, then run again', () => {
    const run = inFlight({ polite: true })
      .strike()
      .row({ status: 'failed', error: 'SIGTERM' }, 1)
      .gone()
      .starts(2);
    expect(causes(run.picksUp(2).completed())).toEqual(['failed-on-shutdown']);
  });

  test('finished in a drain, and run again', () => {
    const run = inFlight({ polite: true })
      .strike()
      .completed()
      .gone()
      .starts(2)
      .ready(2)
      .picksUp(2)
      .completed();
    expect(causes(run)).toEqual(['redelivered-after-drain']);
  });

  test('failed after it was taken up, and run again', () => {
    expect(causes(restarted().picksUp(2).failed('broken').picksUp(2).completed())).toEqual([
      'reran-finished-job',
    ]);
  });

  test('run again after its end', () => {
    expect(causes(handedOver().picksUp(2).completed())).toEqual(['reran-finished-job']);
  });

  test('written after its end', () => {
    expect(causes(handedOver().progress(60, 2))).toEqual(['wrote-after-end']);
  });

  test('failed after it was taken up, where the control completes', () => {
    expect(causes(control(restarted().picksUp(2).failed('input used up')))).toEqual(['failed-by-restart']);
  });
});

describe('not accounted for', () => {
  test('started_at set anew', () => {
    expect(causes(restarted().picksUp(2, { startedAt: '2026-01-31T12:00:01+00:00' }).completed())).toEqual([
      'started-at-reset',
    ]);
  });

  test('completed_at missing', () => {
    expect(causes(restarted().picksUp(2).row({ status: 'completed' }, 2))).toEqual(['completed-at-missing']);
  });

  test('clocks mixed', () => {
    const run = restarted()
      .picksUp(2)
      .row({ status: 'completed', completedAt: '2026-01-31T09:00:00+00:00' }, 2);
    expect(causes(run)).toEqual(['clock-mixed']);
  });
});

describe('twice', () => {
  const files = [1, 2, 3, 4, 5].map((number) => `/tmp/subject/file-${number}.pdf`);

  test('a second row', () => {
    expect(causes(handedOver().event({ kind: 'row:stranger', job: 'job-1', id: 'b', files }))).toEqual([
      'resumed-as-new-job',
    ]);
  });

  test('children made twice', () => {
    const child = (id: string) =>
      ({ kind: 'row:stranger', job: 'job-1', id, files: files.slice(0, 1) }) as const;
    expect(causes(handedOver().event(child('a')).event(child('b')))).toEqual(['children-enqueued-twice']);
  });

  test('a second message that came with the restart', () => {
    expect(causes(restarted().broker({ messages: 2 }).picksUp(2).completed())).toEqual(['recovered-twice']);
  });

  test('a second message that was there before is not the recovery’s', () => {
    expect(
      causes(inFlight().broker({ messages: 2 }).strike().gone().starts(2).picksUp(2).completed()),
    ).toEqual([]);
  });
});
