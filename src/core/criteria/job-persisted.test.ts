import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'job-persisted');
}

describe('passed', () => {
  test('every version was recorded', () => {
    const history = handedOver().end();
    expect(judgedAs(history, 'job-persisted')).toBe('passed row-in-every-observation');
    // Created, picked up, 20 %, picked up, 40 %, completed; the looks are no versions.
    expect(findingOf(history, 'row-in-every-observation')).toMatchObject({ versions: 6, source: 'trigger' });
  });

  test('by polling, with what that cannot see', () => {
    expect(seen(handedOver({ source: 'poll' }))).toBe('passed row-in-every-observation observed-by-polling');
  });

  test('deleted and inserted again by one transaction: nobody ever saw it away', () => {
    const run = restarted().deletes(2, 'one').row({ status: 'pending' }, 2, 'one').picksUp(2).completed();
    expect(seen(run)).toBe('passed row-in-every-observation');
  });
});

describe('failed', () => {
  test('deleted, and by whom', () => {
    const history = restarted().deletes(2).end();
    expect(judgedAs(history, 'job-persisted')).toBe('failed row-gone');
    expect(findingOf(history, 'row-gone')).toMatchObject({ incarnation: 2 });
  });

  test('deleted and inserted again', () => {
    expect(seen(restarted().deletes(2).row({ status: 'pending' }, 2).picksUp(2).completed())).toBe(
      'failed row-gone',
    );
  });

  test('not there when it was looked for', () => {
    const run = inFlight({ source: 'poll' }).strike().deletes('').gone();
    expect(seen(run)).toBe('failed row-gone');
  });
});

describe('inconclusive', () => {
  test('never observed', () => {
    expect(seen(aRun())).toBe('inconclusive never-observed');
  });

  test('not looked at after the restart', () => {
    const run = inFlight().strike();
    expect(judgedAs(run.history(), 'job-persisted')).toBe('inconclusive not-looked-at-after-restart');
  });

  test('changed without being recorded', () => {
    const run = handedOver().event({ kind: 'observer:checked', job: 'job-1', complete: false, versions: 6 });
    expect(seen(run)).toBe('inconclusive observation-incomplete');
  });
});
