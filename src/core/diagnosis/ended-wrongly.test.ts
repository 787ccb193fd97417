import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';
import { judge } from '../report.ts';

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.end());
}

function valuesOf(run: RunBuilder, id: string): unknown {
  return judge(run.end()).diagnoses.find((diagnosis) => diagnosis.id === id)?.values;
}

const FILES = [1, 2, 3, 4, 5].map((number) => `/tmp/subject/file-${number}.pdf`);

const control = (run: RunBuilder): RunBuilder => run.job('control').submitted().picksUp(2).completed();
const failedAtBoot = (run: RunBuilder): RunBuilder =>
  run
    .row(
      { status: 'failed', error: 'interrupted', taskId: null, completedAt: '2026-01-31T12:00:01+00:00' },
      2,
    )
    .looks();

describe('the end did not last', () => {
  test('failed by a new worker at its start, then completed by the redelivery', () => {
    expect(causes(failedAtBoot(restarted()).picksUp(2).completed())).toEqual(['failed-at-boot']);
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
    expect(
      valuesOf(
        inFlight({ polite: true }).strike().completed().gone().starts(2).picksUp(2).completed(),
        'redelivered-after-drain',
      ),
    ).toEqual({ incarnation: 2 });
  });

  test('failed after it was taken up, and run again', () => {
    expect(causes(restarted().picksUp(2).failed('broken').picksUp(2).completed())).toEqual([
      'reran-finished-job',
    ]);
  });

  test('run again after its end, and by whom', () => {
    expect(causes(handedOver().picksUp(2).completed())).toEqual(['reran-finished-job']);
    expect(valuesOf(handedOver().picksUp(2).completed(), 'reran-finished-job')).toEqual({
      state: 'completed',
      incarnation: 2,
    });
  });

  test('put back to processing by whoever had ended it, with nothing to follow: a late write, no further run', () => {
    expect(causes(handedOver().row({ status: 'processing' }, 2))).toEqual(['wrote-after-end']);
    expect(causes(handedOver().row({ status: 'processing' }, 2).progress(60, 2))).toEqual([
      'reran-finished-job',
    ]);
    expect(causes(handedOver().row({ status: 'processing', taskId: 'new' }, 2))).toEqual([
      'reran-finished-job',
    ]);
  });

  test('from one word for the end to another: the first may be a step on the way', () => {
    const extracted = (): RunBuilder =>
      restarted().picksUp(2).row({ status: 'extracted', state: 'completed', progress: 90 }, 2);
    expect(causes(extracted().completed())).toEqual(['step-mapped-as-end']);
    expect(valuesOf(extracted().completed(), 'step-mapped-as-end')).toEqual({
      state: 'completed',
      first: 'extracted',
      second: 'completed',
    });
    // A change of something else in between hides nothing; another state is another story.
    expect(causes(extracted().row({ progress: 95, state: 'completed' }, 2).completed())).toEqual([
      'step-mapped-as-end',
    ]);
    expect(causes(extracted().failed())).not.toContain('step-mapped-as-end');
    expect(causes(extracted().row({ progress: 95, state: 'completed' }, 2))).toContain('wrote-after-end');
  });

  test('written after its end: which columns, when', () => {
    expect(causes(handedOver().progress(60, 2))).toEqual(['wrote-after-end']);
    expect(valuesOf(handedOver().wait(90).progress(60, 2), 'wrote-after-end')).toMatchObject({
      columns: 'progress',
    });
  });
});

describe('the end was the wrong one', () => {
  test('failed by a new worker at its start, and left so', () => {
    expect(causes(control(failedAtBoot(restarted())))).toEqual(['failed-at-boot']);
  });

  test('failed by the old worker on its way out, and left so', () => {
    const run = inFlight({ polite: true }).strike().failed('SIGTERM').gone().starts(2).ready(2);
    expect(causes(control(run))).toEqual(['failed-on-shutdown']);
  });

  test('a job that failed of itself when nothing was wrong with that has no cause', () => {
    expect(causes(restarted({ fileMode: 'missing' }).delivered(2).failed('no such file', 2))).toEqual([]);
    expect(
      causes(inFlight({ fileMode: 'missing', polite: true }).strike().failed().gone().starts(2).ready(2)),
    ).toEqual([]);
  });

  test('marked completed by a new worker that had not been handed it', () => {
    const run = restarted().row({ status: 'completed', completedAt: '2026-01-31T12:00:01+00:00' }, 2).looks();
    expect(causes(run)).toEqual(['ended-unworked']);
  });

  test('failed after it was taken up, where the control completes', () => {
    expect(causes(control(restarted().picksUp(2).failed('input used up')))).toEqual(['rerun-cannot-succeed']);
  });

  test('… also where it failed before it had written anything: it was handed out, so that is no clean-up at a start', () => {
    expect(causes(control(restarted().delivered(2).failed('in the way', 2)))).toEqual([
      'rerun-cannot-succeed',
    ]);
  });

  test('… for want of what the old worker had closed, whom the row or the broker alone was told', () => {
    const closed = 'Cannot use a pool after calling end on the pool';
    const told = inFlight({ polite: true }).strike().failed(closed, 1).gone().starts(2).ready(2);
    expect(causes(control(told))).toEqual(['closed-before-drained']);
    const untold = inFlight({ polite: true })
      .strike()
      .broker({ state: 'dead', failedReason: closed, due: { kind: 'never' } })
      .gone()
      .starts(2)
      .ready(2);
    expect(causes(untold.timesOut())).toEqual(['closed-before-drained']);
    expect(valuesOf(untold, 'closed-before-drained')).toEqual({ error: closed });
  });

  test('… by retries that the restart used up', () => {
    const run = restarted().picksUp(2, { retryCount: 1, maxRetries: 1 }).failed('no retries left');
    expect(causes(control(run))).toEqual(['restarts-burn-retries']);
  });
});

describe('effects', () => {
  const effects = (run: RunBuilder, counts: readonly number[]): RunBuilder =>
    run.event({
      kind: 'effects:counted',
      job: 'job-1',
      role: 'subject',
      source: 'query',
      effects: FILES.flatMap((item, index) =>
        counts[index] === 0 ? [] : [{ item, count: counts[index] ?? 1 }],
      ),
    });

  const handedOverAt40 = (): RunBuilder =>
    inFlight().progress(40).strike().gone().starts(2).ready(2).picksUp(2).progress(60).completed();

  test('missing, from before the strike', () => {
    expect(causes(effects(handedOverAt40(), [0]))).toEqual(['items-missing']);
    expect(valuesOf(effects(handedOverAt40(), [0]), 'items-missing')).toEqual({ items: 1 });
  });

  test('missing: the file in hand, the one that was passed over, all that came after', () => {
    expect(causes(effects(handedOverAt40(), [1, 0]))).toEqual(['effect-and-mark-apart']);
    expect(causes(effects(handedOverAt40(), [1, 1, 0]))).toEqual(['resumed-past-work']);
    expect(causes(effects(handedOverAt40(), [1, 1, 1, 0, 0]))).toEqual(['error-swallowed']);
  });

  test('twice', () => {
    expect(causes(effects(handedOver(), [2]))).toEqual(['effects-not-idempotent']);
    expect(causes(effects(handedOver(), [1, 2]))).toEqual(['effect-and-mark-apart']);
  });
});

describe('the queue', () => {
  test('was told that it failed, the row that it completed', () => {
    const run = (): RunBuilder => handedOver().broker({ state: 'dead' });
    expect(causes(run())).toEqual(['row-and-queue-disagree']);
    expect(valuesOf(run(), 'row-and-queue-disagree')).toEqual({
      status: 'completed',
      broker: 'the broker gave it up',
    });
  });

  test('was told of an end, the row was not', () => {
    const run = restarted().picksUp(2).progress(40).broker({ state: 'ended', owner: null }).timesOut();
    expect(causes(run)).toEqual(['row-and-queue-disagree']);
  });

  test('was never told of the end', () => {
    const run = restarted()
      .picksUp(2)
      .row({ status: 'completed', progress: 100, completedAt: '2026-01-31T12:00:01+00:00' }, 2);
    expect(causes(run)).toEqual(['never-acked']);
  });
});

describe('others', () => {
  const struck = (): RunBuilder =>
    aRun()
      .job('witness-ended')
      .picksUp(1)
      .completed()
      .job('subject')
      .submitted()
      .job('witness-waiting')
      .of('subject')
      .picksUp(1)
      .progress(20)
      .strike()
      .gone()
      .starts(2)
      .ready(2);

  test('a recovery spoilt a job that had ended', () => {
    const run = struck()
      .of('witness-ended')
      .row({ status: 'pending' }, 2)
      .of('witness-waiting')
      .picksUp(2)
      .completed();
    expect(causes(run.of('subject').picksUp(2).completed())).toEqual(['recovery-hit-finished-jobs']);
  });

  test('a late write of the worker that ended it is no recovery', () => {
    const run = aRun().job('witness-ended').picksUp(1).completed().progress(90, 1).job('subject').submitted();
    run.picksUp(1).progress(20).strike().gone().starts(2).ready(2).picksUp(2).completed();
    expect(causes(run)).toEqual([]);
  });

  test('the dead still counts, and the one behind never runs', () => {
    expect(causes(struck().picksUp(2).completed())).toEqual(['slot-left-behind']);
  });

  test('where the new worker died, that is why it never ran', () => {
    expect(causes(struck().exits(2, 1).timesOut())).toEqual(['successor-died']);
  });

  test('an older claim wrote after a newer one', () => {
    const run = restarted()
      .picksUp(2)
      .progress(40)
      .row({ progress: 40, error: 'late' }, 1)
      .progress(60, 2)
      .completed(2);
    expect(causes(run)).toContain('no-fencing');
  });
});

describe('the accounts', () => {
  test('put back to pending by a new worker, and what was done forgotten', () => {
    const run = restarted()
      .row({ status: 'pending', progress: 0, startedAt: null }, 2)
      .picksUp(2)
      .completed();
    expect(causes(run)).toEqual(['reset-at-boot', 'started-at-reset']);
  });

  test('begun again', () => {
    expect(causes(restarted().picksUp(2, { progress: 0 }).completed())).toEqual(['progress-reset']);
  });

  test('retries set back', () => {
    const run = inFlight().row({ retryCount: 2 }, 1).strike().gone().starts(2).picksUp(2, { retryCount: 0 });
    expect(causes(run.completed())).toEqual(['retries-miscounted']);
  });

  test('a backoff that the restart skipped', () => {
    const run = aRun({ strikeAt: 'retrying', backoff: { baseMs: 1_000, factor: 2 } })
      .job()
      .submitted()
      .picksUp(1);
    run
      .row({ status: 'retrying', retryCount: 1 }, 1)
      .broker({ state: 'delayed', owner: null })
      .strike()
      .gone();
    expect(causes(run.starts(2).picksUp(2).completed())).toEqual(['backoff-lost']);
  });
});
