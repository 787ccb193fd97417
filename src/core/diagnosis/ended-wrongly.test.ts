import { describe, expect, test } from 'vitest';
import {
  handedOver,
  inFlight,
  restarted,
  type RunBuilder,
  type RunOptions,
} from '../../testing/history-builder.ts';
import { diagnosedAs, judgedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import type { DiagnosisId } from './index.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());
const valuesOf = (run: RunBuilder, id: DiagnosisId): unknown => valuesOfDiagnosis(run.end(), id);

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

  describe('failed by who heard that the queue had found it stalled', () => {
    const stalls = (error = 'job stalled', run = restarted().picksUp(2)): RunBuilder =>
      run.row({ status: 'failed', error, completedAt: '2026-01-31T12:00:01+00:00' }, 2);
    const told = (run: RunBuilder): RunBuilder => run.looks().picksUp(2).completed();

    test('though it was handed out again', () => {
      const history = told(stalls()).end();
      expect(diagnosedAs(history)).toEqual(['failed-at-boot']);
      expect(valuesOfDiagnosis(history, 'failed-at-boot')).toEqual({ incarnation: 2, stalled: 1 });
    });

    test('not for another reason, after some of its work, or when the queue had given it up', () => {
      const others = [
        told(stalls('no disk')),
        told(stalls('it installed nothing')),
        told(stalls('stalled', restarted().picksUp(2).progress(40))),
        stalls().broker({ state: 'dead', owner: null }).picksUp(2).completed(),
      ];
      for (const run of others) expect(causes(run)).toEqual(['reran-finished-job']);
    });

    test('nor while the old worker was not seen to go', () => {
      const run = inFlight().strike().starts(2).ready(2).picksUp(2);
      expect(causes(told(stalls('stalled', run)))).not.toContain('failed-at-boot');
    });
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

  test('put back by it to processing without a claim, or to pending: a late write too', () => {
    expect(causes(handedOver().row({ status: 'processing', taskId: null }, 2))).toEqual(['wrote-after-end']);
    const back = handedOver().row({ status: 'processing' }, 2).row({ status: 'pending' }, 2);
    expect(causes(back)).toEqual(['wrote-after-end']);
  });

  test('put back by another, or by nobody knows whom: somebody ran it again', () => {
    const byOld = handedOver().row({ status: 'processing' }, 1).end();
    expect(diagnosedAs(byOld)).toContain('reran-finished-job');
    expect(valuesOfDiagnosis(byOld, 'reran-finished-job')).toEqual({ state: 'completed', incarnation: 1 });
    const unseen = inFlight({ restartBy: 'operator', source: 'poll' }).strike().gone('connections').starts(2);
    const reopened = unseen.completed(2).row({ status: 'processing' }, 2).end();
    expect(valuesOfDiagnosis(reopened, 'reran-finished-job')).toEqual({
      state: 'completed',
      incarnation: null,
    });
  });

  test('run again by the worker that had ended it, in a polite scenario: no drain', () => {
    const run = restarted({ polite: true }).picksUp(2).completed().picksUp(2, { taskId: 'b' }).completed();
    expect(causes(run)).toEqual(['reran-finished-job']);
  });

  test('run again, and so was the one behind it: told of this one', () => {
    const run = handedOver().picksUp(2).completed().job('witness-waiting').picksUp(2).completed();
    run.row({ status: 'processing' }, 2).of('subject');
    expect(valuesOf(run, 'reran-finished-job')).toEqual({ state: 'completed', incarnation: 2 });
  });

  test('run again, and not brought to its end once more: that is no job that hangs', () => {
    expect(causes(handedOver().picksUp(2, { taskId: 'b' }).timesOut())).toEqual(['reran-finished-job']);
  });

  test('written by an older claim after its end: one of two that worked at once', () => {
    const late = handedOver().row({ progress: 40 }, 1);
    expect(causes(late)).toEqual(['no-fencing', 'orphan-children']);
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
  const FAILED = { status: 'failed', error: 'no', completedAt: '2026-01-31T12:00:01+00:00' };

  test('failed by a new worker at its start, and left so', () => {
    expect(causes(control(failedAtBoot(restarted())))).toEqual(['failed-at-boot']);
  });

  test('… and again by the redelivery: the first of both is told', () => {
    expect(causes(control(failedAtBoot(restarted()).picksUp(2).failed('again')))).toEqual(['failed-at-boot']);
  });

  test('… and made anew as a row of its own: that is told by itself', () => {
    const files = [1, 2, 3, 4, 5].map((number) => `/tmp/subject/file-${number}.pdf`);
    const anew = failedAtBoot(restarted()).event({ kind: 'row:stranger', job: 'job-1', id: 'b', files });
    expect(causes(anew)).not.toContain('failed-at-boot');
    expect(causes(anew)).toContain('resumed-as-new-job');
  });

  describe('by a queue that had found it stalled too often, and told the row', () => {
    const LIMIT = 'job stalled more than allowable limit';
    const givenUp = (options: RunOptions = {}, failedReason = LIMIT): RunBuilder =>
      restarted(options)
        .row({ ...FAILED, error: LIMIT }, 2)
        .broker({ state: 'dead', owner: null, deliveries: 2, stalls: 1, failedReason });

    test('a restart is once too often', () => {
      const history = control(givenUp()).end();
      expect(judgedAs(history, 'picked-up-again')).toBe('inconclusive ended-without-work-shown');
      expect(diagnosedAs(history)[0]).toBe('restarts-burn-retries');
      expect(diagnosedAs(history)).not.toContain('rerun-cannot-succeed');
      expect(valuesOfDiagnosis(history, 'restarts-burn-retries')).toEqual({ stalled: 1 });
    });

    test('is no pick-up where it was to fail anyhow', () => {
      const history = givenUp({ fileMode: 'missing' }).end();
      expect(judgedAs(history, 'picked-up-again')).toBe('inconclusive ended-without-work-shown');
    });

    test('not for another reason, nor after work', () => {
      expect(causes(control(givenUp({}, 'no disk')))).toContain('rerun-cannot-succeed');
      const worked = restarted().picksUp(2).row(FAILED, 2).broker({ state: 'dead', failedReason: LIMIT });
      expect(causes(control(worked))).toContain('rerun-cannot-succeed');
    });
  });

  test('… is as it should be where its files cannot be read', () => {
    const run = restarted({ fileMode: 'missing', broker: false }).row(FAILED, 2);
    expect(causes(run)).toEqual(['work-not-shown']);
  });

  test('… and given up by the broker later: the row was told of an end', () => {
    const run = failedAtBoot(restarted()).broker({ state: 'dead', owner: null });
    expect(causes(run)).toContain('failed-at-boot');
    expect(causes(run)).not.toContain('broker-gave-up-row-not-told');
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

  test('… by the row alone, in one write with its claim or after it', () => {
    const claimed = restarted({ broker: false }).picksUp(2).row(FAILED, 2);
    expect(causes(control(claimed))).toEqual(['rerun-cannot-succeed']);
    const atOnce = restarted({ broker: false }).row({ ...FAILED, taskId: 'b' }, 2);
    expect(causes(control(atOnce))).toEqual(['rerun-cannot-succeed']);
  });

  test('… of which only a look at the end knows: by whom, nobody can say', () => {
    const run = control(restarted()).of('subject');
    const seen = run.row(FAILED, 2).events.pop();
    if (seen?.kind !== 'row:version') throw new Error('a version was expected');
    run.event({ ...seen, source: 'read' });
    expect(causes(run)).not.toContain('rerun-cannot-succeed');
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
