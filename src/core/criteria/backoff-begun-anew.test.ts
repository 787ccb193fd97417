/** Whether it was the restart that made a wait begin anew, and what else puts a retry off. */
import { describe, expect, test } from 'vitest';
import type { BrokerState } from '../event.ts';
import { aRun, type RunBuilder, type RunOptions } from '../../testing/history-builder.ts';
import { judgedAs } from '../../testing/judged.ts';

const BACKOFF = { baseMs: 1_000, factor: 2 };
const ANEW = 'failed backoff-begun-anew';
const KEPT = 'passed backoff-kept';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'backoff-honoured');
}

/** Failed once, and waiting for its retry, for which two seconds are to pass. */
function retrying(options: RunOptions = {}): RunBuilder {
  return aRun({ strikeAt: 'retrying', backoff: BACKOFF, ...options })
    .job()
    .submitted()
    .picksUp(1)
    .row({ status: 'retrying', retryCount: 1, error: 'broken' }, 1);
}

function struck(run: RunBuilder): RunBuilder {
  return run.strike().gone().starts(2).ready(2);
}

function countedAtMs(run: RunBuilder): number {
  return run
    .history()
    .of('row:version')
    .find(({ values }) => values?.retryCount === 1)!.atMs;
}

/** Goes on until the next event comes so long after the failure was counted. */
function until(run: RunBuilder, ms: number): RunBuilder {
  return run.wait(countedAtMs(run) + ms - run.events.at(-1)!.atMs - 10);
}

/** The pick-up is written so long after the failure was counted. */
function pickedUp(run: RunBuilder, ms: number): RunBuilder {
  return until(run, ms - 10)
    .picksUp(2)
    .completed();
}

function delayed(run: RunBuilder, dueMs: number, changes: Partial<BrokerState> = {}): RunBuilder {
  const due = { kind: 'at', atMs: countedAtMs(run) + dueMs } as const;
  return run.broker({ state: 'delayed', owner: null, due, ...changes });
}

describe('last_retry_at', () => {
  const noted = { lastRetryAt: '2026-01-31T12:00:01+00:00' };

  test.each([
    [2_849, KEPT],
    [2_850, ANEW],
  ])('moved by 900 ms, and the retry came after %i', (ms, judged) => {
    expect(seen(pickedUp(until(struck(retrying()), 900).row(noted, 2), ms))).toBe(judged);
  });

  test.each([
    [199, KEPT],
    [200, ANEW],
  ])('moved by %i ms is noticed or not', (ms, judged) => {
    expect(seen(pickedUp(until(struck(retrying()), ms).row(noted, 2), 2_300))).toBe(judged);
  });

  test('was noted before the strike, by the worker itself', () => {
    expect(seen(pickedUp(struck(until(retrying(), 900).row(noted, 1)), 2_900))).toBe(KEPT);
  });

  test('is noted by the pick-up: that is no wait', () => {
    const short = { source: 'poll', backoff: { baseMs: 100, factor: 2 } } as const;
    const run = until(struck(retrying(short)), 400).picksUp(2, noted);
    expect(seen(run.completed())).toBe(KEPT);
  });

  test('stays, and another column is written', () => {
    const run = until(struck(retrying()), 900).row({ error: 'waiting for its retry' }, 2);
    expect(seen(pickedUp(run, 2_950))).toBe(KEPT);
  });

  test('of a later retry is the new worker’s own', () => {
    const run = until(struck(retrying()), 2_000)
      .picksUp(2)
      .row({ status: 'retrying', retryCount: 2 }, 2)
      .wait(900)
      .row(noted, 2)
      .wait(4_000);
    expect(seen(run.picksUp(2, { taskId: 'the third' }).completed())).toBe(KEPT);
  });
});

describe('the due time of the broker', () => {
  test('moved by the restart', () => {
    const run = delayed(until(struck(delayed(retrying(), 2_000)), 900), 2_900);
    expect(seen(pickedUp(run, 2_900))).toBe(ANEW);
  });

  test('was moved by the time at which the old worker was seen gone', () => {
    const run = delayed(until(delayed(retrying(), 2_000).strike(), 900), 2_900);
    expect(seen(pickedUp(run.gone().starts(2).ready(2), 2_900))).toBe(ANEW);
  });

  test('was moved before the strike, to later or to sooner', () => {
    const later = delayed(delayed(retrying(), 2_000), 3_000);
    expect(seen(pickedUp(struck(later), 3_000))).toBe(KEPT);
    const sooner = delayed(delayed(retrying(), 3_000), 2_000);
    expect(seen(pickedUp(struck(sooner), 3_000))).toBe(KEPT);
  });

  test('of the job’s first start was another matter', () => {
    const run = aRun({ strikeAt: 'retrying', backoff: BACKOFF }).job().submitted();
    run.broker({ state: 'delayed', due: { kind: 'at', atMs: run.events.at(-1)!.atMs + 10 } });
    run.picksUp(1).row({ status: 'retrying', retryCount: 1 }, 1);
    const unseen = delayed(struck(run), 2_000);
    expect(seen(pickedUp(unseen, 4_500))).toBe(KEPT);
  });

  test('of what comes after the pick-up is another matter', () => {
    const run = until(struck(delayed(retrying(), 2_000)), 5_000).picksUp(2);
    expect(seen(delayed(run, 5_050).progress(40, 2).completed(2))).toBe(KEPT);
  });

  test('of a job that is held is that of its lock', () => {
    const held = delayed(retrying(), 2_000, { state: 'active' });
    const renewed = delayed(struck(held), 3_000, { state: 'active' });
    expect(seen(pickedUp(renewed, 3_100))).toBe(KEPT);
  });
});

describe('from which number a worker counts', () => {
  /** The first wait is over before the strike, which falls into the second one. */
  const waited = (firstMs: number, secondMs: number): RunBuilder => {
    const run = until(retrying(), firstMs - 10).picksUp(1, { taskId: 'the second' });
    run.row({ status: 'retrying', retryCount: 2 }, 1);
    const counted = run.events.at(-1)!.atMs;
    struck(run);
    return run.wait(counted + secondMs - run.events.at(-1)!.atMs - 20).picksUp(2, { taskId: 'the third' });
  };

  test.each([
    [949, 'failed retried-too-early retried-too-early'],
    [950, KEPT],
    [1_949, KEPT],
    [1_950, 'failed retried-too-early'],
  ])('is told by a wait of %i ms: the one after it is two or four seconds', (firstMs, judged) => {
    expect(seen(waited(firstMs, 2_000).completed())).toBe(judged);
  });

  test('is not told by waits of which only one fits', () => {
    const third = waited(1_000, 4_000).row({ status: 'retrying', retryCount: 3 }, 2).wait(9_000);
    expect(seen(third.picksUp(2, { taskId: 'the fourth' }).completed())).toBe('failed retried-too-early');
  });

  test('is told by what the queue promised before the strike, of this retry', () => {
    expect(seen(pickedUp(struck(delayed(retrying(), 1_900)), 1_900))).toBe(KEPT);
    const promisedSince = delayed(struck(retrying()), 1_400);
    expect(seen(pickedUp(promisedSince, 1_400))).toBe('failed retried-too-early');
    const run = aRun({ strikeAt: 'retrying', backoff: BACKOFF }).job().submitted();
    run.broker({ state: 'delayed', due: { kind: 'at', atMs: run.events.at(-1)!.atMs + 10 } });
    run
      .picksUp(1)
      .row({ status: 'retrying', retryCount: 1 }, 1)
      .broker({ due: { kind: 'unknown' } });
    expect(seen(pickedUp(struck(delayed(run, 1_400)), 1_400))).toBe(KEPT);
  });
});

test('a retry that never comes was lost, however it was put off before', () => {
  const short = { source: 'poll', backoff: { baseMs: 100, factor: 2 } } as const;
  const run = until(struck(retrying(short)), 400).row({ lastRetryAt: 'later' }, 2);
  expect(seen(run.broker({ state: 'gone' }).timesOut())).toBe('failed retry-never-came');
});

describe('who counts a failure', () => {
  const goesOn = (run: RunBuilder): string => seen(struck(run).wait(2_000).picksUp(2).completed());
  const started = (options: RunOptions = {}): RunBuilder =>
    aRun({ strikeAt: 'retrying', backoff: BACKOFF, ...options })
      .job()
      .submitted();

  test('the worker that holds it, though the status stays', () => {
    expect(goesOn(started().picksUp(1).row({ retryCount: 1, error: 'broken' }, 1))).toBe(KEPT);
  });

  test('whoever it was, where that is not seen: of the holder, of the count, or of both', () => {
    const failed = { status: 'retrying', retryCount: 1 };
    expect(goesOn(started().picksUp('somebody').row(failed, 1))).toBe(KEPT);
    expect(goesOn(started().picksUp(1).row(failed, 'scheduler'))).toBe(KEPT);
    expect(goesOn(started({ restartBy: 'operator', source: 'poll' }).picksUp(1).row(failed, 1))).toBe(KEPT);
  });

  test('one transaction that hides the work', () => {
    expect(goesOn(started().delivered(1).row({ status: 'retrying', retryCount: 1 }, 1))).toBe(KEPT);
  });

  test('nobody, where the same worker takes it up anew and counts that', () => {
    const run = started().picksUp(1).row({ taskId: 'the second', retryCount: 1 }, 1).progress(40);
    expect(seen(run.completed())).toBe('skipped nothing-retried');
  });
});
