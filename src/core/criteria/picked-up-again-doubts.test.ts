/** What leaves it in doubt whether a new worker took the job up. */
import { describe, expect, test } from 'vitest';
import { aRun, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'picked-up-again');
}

describe('inconclusive', () => {
  test.each([
    ['there was no restart', (run: RunBuilder) => run.completed(), 'no-restart'],
    ['the old worker ended it', (run: RunBuilder) => run.strike().completed().gone(), 'nothing-to-pick-up'],
    ['it was not in flight', (run: RunBuilder) => run.completed().strike().gone(), 'nothing-to-pick-up'],
    [
      'the old worker was not seen to go',
      (run: RunBuilder) => run.strike().timesOut(),
      'worker-not-seen-gone',
    ],
    [
      'a status that is not configured may be work, or wait for it',
      (run: RunBuilder) => run.strike().gone().row({ status: 'pending' }, 2).row({ status: 'reserved' }, 2),
      'status-not-mapped',
    ],
  ])('%s', (_name, happens, code) => {
    expect(seen(happens(inFlight()))).toBe(`inconclusive ${code}`);
  });

  test.each([
    ['at a time after the end', { kind: 'at', atMs: 500_000 }],
    ['at the next boot', { kind: 'next-boot' }],
  ] as const)('the broker hands it out %s', (_name, due) => {
    expect(seen(restarted().broker({ due }).timesOut())).toBe('inconclusive not-due-yet');
  });

  test('the lock of the dead outlives the run, and the broker tells no due time', () => {
    expect(seen(restarted().broker({ lockUntilMs: 500_000 }).timesOut())).toBe('inconclusive not-due-yet');
  });

  test.each([
    ['at a time that has passed', { kind: 'at', atMs: 2_000 }],
    ['never', { kind: 'never' }],
    ['now', { kind: 'now' }],
  ] as const)('… but not where it was due %s', (_name, due) => {
    expect(seen(restarted().broker({ due }).timesOut())).toBe('failed nobody-picked-up');
  });

  test('a worker ended it before it was ready, and the redelivery came so soon that no look lies in between', () => {
    const starting = (): RunBuilder => inFlight().strike().gone().starts(2);
    const handedOut = (run: RunBuilder): RunBuilder => run.delivered(2).broker({ state: 'ended' }).ready(2);
    const failed = handedOut(starting().row({ status: 'failed', error: 'interrupted' }, 2));
    expect(seen(failed)).toBe('inconclusive ended-without-work-shown');
    expect(
      diagnosedAs(
        handedOut(starting().row({ status: 'failed' }, 2))
          .job('control')
          .picksUp(2)
          .completed()
          .end(),
      ),
    ).toContain('failed-at-boot');
    const completed = handedOut(starting().row({ status: 'completed', progress: 100 }, 2));
    expect(seen(completed)).toBe('inconclusive ended-without-work-shown');
    // Its claim tells that it works, whatever is said of its start.
    expect(seen(starting().picksUp(2).ready(2).completed())).toBe('passed picked-up-by-write');
  });

  test('a later worker ended it without a trace of work, and the broker cannot be asked', () => {
    const run = restarted({ broker: false }).row({ status: 'failed', error: 'interrupted' }, 2);
    expect(seen(run)).toBe('inconclusive ended-without-work-shown');
  });

  test('written by an unknown connection while the broker still counts the job to the dead', () => {
    const run = aRun({ named: false })
      .job()
      .submitted()
      .picksUp(1)
      .progress(20)
      .strike()
      .gone()
      .starts(2)
      .ready(2);
    run.row({ progress: 40 }, 'orphan').wait(30).looks().row({ progress: 60 }, 'orphan').wait(30).looks();
    expect(seen(run.timesOut())).toBe('inconclusive written-undelivered');
  });

  test('it was cancelled', () => {
    expect(seen(restarted().row({ status: 'cancelled' }, 'psql'))).toBe('inconclusive cancelled-by-others');
  });

  test('a later worker touched the row and no more', () => {
    expect(seen(restarted().row({}, 2).timesOut())).toBe('inconclusive only-touched');
    const byItsConnection = restarted({ named: false }).row({}, 2).wait(30).looks();
    expect(seen(byItsConnection.timesOut())).toBe('inconclusive only-touched');
  });

  test('it touched the row when it started, and its redelivery was no work', () => {
    const starting = inFlight().strike().gone().starts(2).row({}, 2).ready(2);
    expect(seen(starting.delivered(2).acks().timesOut())).toBe('inconclusive only-touched');
    const before = restarted().row({}, 2).wait(30).looks();
    expect(seen(before.delivered(2).acks().timesOut())).toBe('inconclusive only-touched');
  });

  test('somebody ended it while the old worker went away', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll' }).strike().completed().gone();
    expect(seen(run.starts(2))).toBe('inconclusive ended-while-stopping');
  });

  test('it was touched and ended, by whom cannot be told', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll', broker: false }).strike();
    run.gone('connections', true).starts(2).row({}, 2).failed('interrupted', 2);
    expect(seen(run)).toBe('inconclusive ended-without-work-shown');
  });

  test('it went on, by whom cannot be told', () => {
    const run = inFlight({ restartBy: 'operator', named: false, broker: false })
      .strike()
      .row({ progress: 25 }, 'x');
    expect(seen(run.gone('connections', true).starts(2).row({ progress: 40 }, 'x').timesOut())).toBe(
      'inconclusive unattributed-writes',
    );
  });

  test('the hold may have kept it from being taken up', () => {
    const run = inFlight({ restartBy: 'operator', named: false });
    run.event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 }).strike();
    run.event({ kind: 'hold:broken', job: 'job-1', reason: 'terminated' }).gone().starts(2);
    expect(seen(run.timesOut())).toBe('inconclusive hold-broken');
  });

  test('the history breaks off before anybody could have come', () => {
    expect(judgedAs(restarted().history(), 'picked-up-again')).toBe('inconclusive history-breaks-off');
  });

  test('the run was interrupted', () => {
    const run = restarted().event({ kind: 'run:aborted', reason: 'interrupted', text: 'interrupted' });
    expect(seen(run)).toBe('inconclusive history-breaks-off');
  });

  test('the row changed without being recorded', () => {
    const run = restarted().event({ kind: 'observer:checked', job: 'job-1', complete: false, versions: 4 });
    expect(seen(run.timesOut())).toBe('inconclusive history-breaks-off');
  });
});
