import { describe, expect, test } from 'vitest';
import type { Event } from '../event.ts';
import { createHistory } from '../history.ts';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'retries-accounted');
}

describe('passed', () => {
  test('nothing was counted', () => {
    expect(seen(handedOver())).toBe('passed retries-counted');
  });

  test('a restart may cost one', () => {
    expect(seen(restarted().picksUp(2, { retryCount: 1, maxRetries: 3 }).completed())).toBe(
      'passed retries-counted',
    );
  });

  test('retries of the job’s own, before the strike and after the take-over, are not the restart’s', () => {
    const run = inFlight({ strikeAt: 'retrying' })
      .row({ status: 'retrying', retryCount: 1 }, 1)
      .strike()
      .gone();
    run.starts(2).picksUp(2, { retryCount: 2 }).row({ status: 'retrying', retryCount: 3 }, 2).picksUp(2);
    expect(seen(run.completed())).toBe('passed retries-counted');
  });

  test('the last one was taken, and without a restart the job fails as well', () => {
    const run = restarted().picksUp(2, { retryCount: 1, maxRetries: 1 }).failed();
    expect(seen(run.job('control').submitted().picksUp(2).failed())).toBe('passed retries-counted');
  });

  test('with missing files they are there to be used', () => {
    const run = restarted({ fileMode: 'missing' }).picksUp(2, { retryCount: 1 });
    run.row({ status: 'retrying', retryCount: 3, maxRetries: 3 }, 2).picksUp(2).failed();
    expect(seen(run)).toBe('passed retries-counted');
  });
});

describe('failed', () => {
  test('the count goes down', () => {
    const run = inFlight().row({ retryCount: 2 }, 1).strike().gone().starts(2).picksUp(2, { retryCount: 0 });
    const history = run.completed().end();
    expect(judgedAs(history, 'retries-accounted')).toBe('failed retries-went-down');
    expect(findingOf(history, 'retries-went-down')).toMatchObject({ before: 2, after: 0, incarnation: 2 });
  });

  test('the count passes its limit', () => {
    expect(seen(restarted().picksUp(2, { retryCount: 4, maxRetries: 3 }).completed())).toBe(
      'failed retries-over-limit',
    );
  });

  test('one restart costs two', () => {
    const history = restarted().picksUp(2, { retryCount: 2, maxRetries: 9 }).completed().end();
    expect(judgedAs(history, 'retries-accounted')).toBe('failed retries-burnt');
    expect(findingOf(history, 'retries-burnt')).toMatchObject({ spent: 2, restarts: 1 });
  });

  test('a recovery spends them without ever taking the job up', () => {
    const run = restarted().row({ retryCount: 1 }, 2).row({ retryCount: 2 }, 2);
    expect(seen(run.row({ status: 'failed', maxRetries: 2 }, 2))).toBe('failed retries-burnt');
  });

  test('it takes the last one, and the job fails', () => {
    expect(seen(restarted().picksUp(2, { retryCount: 1, maxRetries: 1 }).failed())).toBe(
      'failed retries-burnt',
    );
  });
});

test('skipped where the table counts none', () => {
  const events = handedOver()
    .end()
    .events.map((event): Event => {
      if (event.kind !== 'row:version' || event.values === null) return event;
      return { ...event, values: { ...event.values, retryCount: null } };
    });
  expect(judgedAs(createHistory(events), 'retries-accounted')).toBe('skipped no-retry-column');
});

test('what is counted only later is counted from there', () => {
  const run = aRun().job().row({ retryCount: null }, 1).submitted().picksUp(1, { retryCount: 1 });
  const { events } = run.strike().gone().starts(2).picksUp(2, { retryCount: 0 }).completed().end();
  const created = events.findIndex(({ kind }) => kind === 'row:version');
  const uncounted = createHistory(events.filter((_event, index) => index !== created));
  expect(judgedAs(uncounted, 'retries-accounted')).toBe('failed retries-went-down');
});

describe('limits and restarts', () => {
  test('without a limit none is passed', () => {
    expect(seen(restarted().picksUp(2, { maxRetries: null, retryCount: 1 }).completed())).toBe(
      'passed retries-counted',
    );
  });

  test('a worker that was not seen to go is a restart too, and each of several may cost one', () => {
    const struck = inFlight().strike().starts(2).ready(2);
    expect(seen(struck.row({ retryCount: 1 }, 2).picksUp(2).completed())).toBe('passed retries-counted');
    const twice = (spent: number): string => {
      const run = restarted().picksUp(2, { retryCount: 1 });
      run.event({ kind: 'worker:gone', incarnation: 2, proof: 'processes', connectionsGone: true });
      return seen(run.starts(3).ready(3).picksUp(3, { retryCount: spent }).completed());
    };
    expect(twice(2)).toBe('passed retries-counted');
    expect(twice(3)).toBe('failed retries-burnt');
  });

  test('a job that fails with its retries used up, and none of them by the restart', () => {
    const run = inFlight().row({ retryCount: 3, maxRetries: 3 }, 1).strike().gone().starts(2).ready(2);
    expect(seen(run.picksUp(2).failed())).toBe('passed retries-counted');
  });

  test('the restart took one, and it was not the last, or the job did not fail for it', () => {
    const ends = (changes: object, end: (run: RunBuilder) => RunBuilder): string =>
      seen(end(restarted().picksUp(2, { retryCount: 1, ...changes })));
    expect(ends({ maxRetries: 1 }, (run) => run.completed())).toBe('passed retries-counted');
    expect(ends({ maxRetries: 2 }, (run) => run.failed())).toBe('passed retries-counted');
    expect(ends({ maxRetries: null }, (run) => run.failed())).toBe('passed retries-counted');
    expect(ends({ maxRetries: 1 }, (run) => run.failed())).toBe('failed retries-burnt');
  });
});
