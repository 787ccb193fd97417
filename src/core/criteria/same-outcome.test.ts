import { describe, expect, test } from 'vitest';
import { createHistory } from '../history.ts';
import {
  aRun,
  handedOver,
  inFlight,
  restarted,
  type RunBuilder,
  type RunOptions,
} from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'same-outcome');
}

const failing = (options = {}): RunBuilder =>
  restarted(options).picksUp(2).failed('input used up\n  at work');
const control = (run: RunBuilder): RunBuilder => run.job('control').submitted().picksUp(2);

describe('passed', () => {
  test('completed, with files that can be read', () => {
    expect(seen(handedOver())).toBe('passed ended-as-expected');
  });

  test('failed, with files that are missing', () => {
    expect(seen(failing({ fileMode: 'missing' }))).toBe('passed ended-as-expected');
  });

  test('failed, as the control did', () => {
    expect(seen(control(failing()).failed())).toBe('passed ended-as-control');
  });

  test('completed with missing files, as the control did', () => {
    expect(seen(control(handedOver({ fileMode: 'missing' })).completed())).toBe('passed ended-as-control');
  });
});

describe('completed at another progress than the job before the restart', () => {
  const at = (progress: number, usual = 100, options: RunOptions = {}): RunBuilder => {
    const run = aRun(options)
      .job('witness-ended')
      .picksUp(1)
      .row({ status: 'completed', progress: usual }, 1);
    run.job().submitted().picksUp(1).progress(20).strike().gone().starts(2).ready(2).picksUp(2);
    return run.progress(60).row({ status: 'completed', progress }, 2).acks();
  };
  const controlAt = (run: RunBuilder, progress: number): RunBuilder =>
    control(run).row({ status: 'completed', progress }, 2);

  test.each([120, 80, 98.9])('at %d %%, which the same job without a restart does not', (progress) => {
    const history = controlAt(at(progress), 100).end();
    expect(judgedAs(history, 'same-outcome')).toBe('failed ended-at-other-progress');
    expect(findingOf(history, 'ended-at-other-progress')).toMatchObject({ progress, expected: 100 });
    expect(diagnosedAs(history)).toContain('progress-miscounted');
  });

  test('as the same job does without one, give or take a rounding', () => {
    expect(seen(controlAt(at(83, 50), 83))).toBe('passed ended-as-expected');
    expect(seen(controlAt(at(83, 50), 84))).toBe('passed ended-as-expected');
    expect(seen(at(99))).toBe('passed ended-as-expected');
  });

  test('where the other one passed by that progress on its way, or the table tells none', () => {
    const by = aRun().job('witness-ended').picksUp(1).progress(80).completed().job().submitted().picksUp(1);
    by.progress(20)
      .strike()
      .gone()
      .starts(2)
      .ready(2)
      .picksUp(2)
      .row({ status: 'completed', progress: 80 }, 2);
    expect(seen(by.acks())).toBe('inconclusive progress-unusual');
    const untold = (witness: number | null, subject: number | null): string => {
      const run = aRun().job('witness-ended').picksUp(1).row({ status: 'completed', progress: witness }, 1);
      run.job().submitted().picksUp(1).strike().gone().starts(2).ready(2).picksUp(2);
      return seen(run.row({ status: 'completed', progress: subject }, 2).acks());
    };
    expect(untold(null, 80)).toBe('passed ended-as-expected');
    expect(untold(100, null)).toBe('passed ended-as-expected');
  });

  test('is not settled without a control that completed', () => {
    for (const run of [at(120), control(at(120)), control(at(120)).failed()]) {
      const history = run.end();
      expect(judgedAs(history, 'same-outcome')).toBe('inconclusive progress-unusual');
      expect(findingOf(history, 'progress-unusual')).toMatchObject({ progress: 120, before: 100 });
      expect(diagnosedAs(history)).toContain('progress-miscounted');
    }
  });

  test('of a job that fails nothing is expected of its progress', () => {
    const failed = at(120, 100, { fileMode: 'missing' }).row({ status: 'failed' }, 2);
    expect(seen(failed)).toBe('passed ended-as-expected');
  });
});

describe('failed', () => {
  test('failed where the control completed; the first line of the error is told', () => {
    const history = control(failing()).completed().end();
    expect(judgedAs(history, 'same-outcome')).toBe('failed ended-otherwise');
    expect(findingOf(history, 'ended-otherwise')).toMatchObject({
      state: 'failed',
      expected: 'completed',
      error: 'input used up',
    });
  });

  test('also where the one that waited failed too, if the control could complete since', () => {
    const run = aRun().job('witness-ended').picksUp(1).completed().job().submitted();
    run.job('witness-waiting').of('subject').picksUp(1).progress(20).strike().gone().starts(2).ready(2);
    run.picksUp(2).failed('locked').of('witness-waiting').picksUp(2).failed('locked');
    expect(seen(control(run).completed())).toBe('failed ended-otherwise');
  });

  test('cancelled by a worker', () => {
    expect(seen(control(restarted().picksUp(2).cancelled()).completed())).toBe('failed ended-otherwise');
  });
});

describe('inconclusive', () => {
  test('without a control', () => {
    expect(seen(failing())).toBe('inconclusive expected-end-unknown');
  });

  test('with a control that did not end, or is gone', () => {
    expect(seen(control(failing()))).toBe('inconclusive expected-end-unknown');
    expect(seen(control(failing()).failed().deletes('psql'))).toBe('inconclusive expected-end-unknown');
  });

  test('cancelled by nobody that was seen', () => {
    const { events } = control(restarted().picksUp(2).cancelled().reads()).completed().end();
    const unseen = events.filter(
      (event) =>
        event.kind !== 'row:version' || event.source === 'read' || event.values?.state !== 'cancelled',
    );
    expect(judgedAs(createHistory(unseen), 'same-outcome')).toBe('inconclusive cancelled-by-others');
  });

  test('cancelled by somebody who is no worker', () => {
    expect(seen(control(restarted().picksUp(2).cancelled('psql')).completed())).toBe(
      'inconclusive cancelled-by-others',
    );
  });

  test('the hold may have made it fail', () => {
    const run = inFlight({ restartBy: 'operator', named: false });
    run.event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 }).strike().gone().starts(2).picksUp(2);
    run.failed('canceling statement due to statement timeout');
    expect(seen(control(run).completed())).toBe('inconclusive hold-hurt');
  });
});

test('skipped where it did not end, is gone, or was never seen', () => {
  expect(seen(restarted().timesOut())).toBe('skipped no-end-to-compare');
  expect(seen(restarted().deletes('psql'))).toBe('skipped no-end-to-compare');
  expect(seen(aRun())).toBe('skipped no-end-to-compare');
});

test('failed by nobody knows whom is no cancellation', () => {
  expect(seen(restarted().picksUp(2).failed('out of paper', 'somebody'))).toBe(
    'inconclusive expected-end-unknown',
  );
});
