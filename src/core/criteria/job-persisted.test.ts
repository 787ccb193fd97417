import { describe, expect, test } from 'vitest';
import { createHistory } from '../history.ts';
import type { Event, RowValues } from '../event.ts';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs, notPassed } from '../../testing/judged.ts';

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

  describe('a row that the service made, and that was followed only then', () => {
    const late = (source: 'trigger' | 'poll', job = 'job-1') => {
      const { events } = handedOver({ source }).end();
      const followed = events.map((event) =>
        event.kind === 'job:created' ? { ...event, job, followedLate: true } : event,
      );
      return createHistory(job === 'job-1' ? followed : events.toSpliced(-1, 0, followed.find(isCreation)!));
    };
    const isCreation = (event: Event): boolean => event.kind === 'job:created';

    test('says so: what was before is not seen', () => {
      expect(judgedAs(late('trigger'), 'job-persisted')).toBe(
        'passed row-in-every-observation followed-late',
      );
      expect(findingOf(late('trigger'), 'row-in-every-observation')).toMatchObject({ source: 'poll' });
    });

    test('where it is polled, that says it all', () => {
      expect(judgedAs(late('poll'), 'job-persisted')).toBe(
        'passed row-in-every-observation observed-by-polling',
      );
    });

    test('of another job is none of its own', () => {
      expect(judgedAs(late('trigger', 'job-ended'), 'job-persisted')).toBe('passed row-in-every-observation');
      const beside = createHistory([
        ...handedOver().job('witness-waiting').history().of('job:created').slice(1),
        ...late('trigger').events,
      ]);
      expect(judgedAs(beside, 'job-persisted')).toBe('passed row-in-every-observation followed-late');
    });
  });

  test('what was changed unseen in another job does not count here', () => {
    const run = handedOver().event({
      kind: 'observer:checked',
      job: 'job-waiting',
      complete: false,
      versions: 2,
    });
    expect(seen(run)).toBe('passed row-in-every-observation');
  });

  test('deleted and inserted again by one transaction: nobody ever saw it away', () => {
    const run = restarted().deletes(2, 'one').row({ status: 'pending' }, 2, 'one').picksUp(2).completed();
    expect(seen(run)).toBe('passed row-in-every-observation');
  });
});

describe('moved to the archive', () => {
  /** As the row was last seen, with what it became on its way. */
  const archived = (run: RunBuilder, became: Partial<RowValues>): RunBuilder => {
    const there = run.events.findLast((event) => event.kind === 'row:version' && event.values !== null);
    if (there?.kind !== 'row:version' || there.values === null) throw new Error('there was no row');
    return run.event({
      kind: 'row:archived',
      job: 'job-1',
      role: 'subject',
      values: { ...there.values, ...became, digest: 'archived' },
    });
  };
  const COMPLETED = {
    status: 'completed',
    state: 'completed',
    completedAt: '2026-01-31T12:00:09+00:00',
  } as const;
  const moved = (): RunBuilder => restarted().picksUp(2).progress(100).deletes(2).acks();

  test('by the statement that ends the job: then its end is what lies there', () => {
    const history = archived(moved().reads(), COMPLETED).end();
    expect(notPassed(history)).toEqual(notPassed(handedOver().end()));
  });

  test('a row that is away and comes back before it is moved was away', () => {
    const run = restarted()
      .deletes(2)
      .row({ status: 'pending', progress: 20 }, 2)
      .picksUp(2)
      .progress(100)
      .deletes(2);
    expect(seen(archived(run.acks(), COMPLETED))).toBe('failed row-gone');
  });

  test('a row that is not there either is lost, and one that lies there unfinished has not ended', () => {
    expect(seen(moved())).toBe('failed row-gone');
    expect(judgedAs(archived(moved(), {}).end(), 'reached-terminal')).toMatch(/^failed/);
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
