import { describe, expect, test } from 'vitest';
import { createHistory } from '../history.ts';
import {
  aRun,
  handedOver,
  restarted,
  type RunBuilder,
  type RunOptions,
} from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs } from '../../testing/judged.ts';

const BACKOFF = { baseMs: 1_000, factor: 2 };

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'backoff-honoured');
}

/** Failed once, and waiting for its retry. */
function retrying(options: RunOptions = {}): RunBuilder {
  const run = aRun({ strikeAt: 'retrying', backoff: BACKOFF, ...options })
    .job()
    .submitted()
    .picksUp(1);
  return run
    .row({ status: 'retrying', retryCount: 1, error: 'broken' }, 1)
    .broker({ state: 'delayed', owner: null });
}

function struck(options: RunOptions = {}): RunBuilder {
  return retrying(options).strike().gone().starts(2).ready(2);
}

describe('passed', () => {
  test('the retry came after its backoff, in spite of the restart', () => {
    expect(seen(struck().wait(2_000).picksUp(2).completed())).toBe('passed backoff-kept');
  });

  test('each retry has its own', () => {
    const run = struck().wait(2_000).picksUp(2).row({ status: 'retrying', retryCount: 2 }, 2).wait(4_000);
    expect(seen(run.picksUp(2, { taskId: 'c' }).completed())).toBe('passed backoff-kept');
  });

  test('a worker that keeps the task id is seen by the status', () => {
    expect(seen(struck().wait(2_000).row({ status: 'processing' }, 2).completed())).toBe(
      'passed backoff-kept',
    );
  });

  test('timers may fire 50 ms early, and not a millisecond more', () => {
    const { events } = struck().picksUp(2).completed().end();
    const [counted] = events.filter(
      (event) => event.kind === 'row:version' && event.values?.retryCount === 1,
    );
    const waited = (ms: number): string => {
      const timed = events.map((event) =>
        event.kind === 'row:version' && event.writer?.applicationName === 'verify-restart#2'
          ? { ...event, databaseAtMs: (counted as typeof event).databaseAtMs + ms }
          : event,
      );
      return judgedAs(createHistory(timed), 'backoff-honoured');
    };
    expect(waited(1_950)).toBe('passed backoff-kept');
    expect(waited(1_949)).toBe('failed retried-too-early');
  });

  test('a claim that is given up with the count begins the wait; a note on the way ends it not', () => {
    const run = aRun({ strikeAt: 'retrying', backoff: BACKOFF }).job().submitted().picksUp(1);
    run.row({ status: 'retrying', retryCount: 1, taskId: null }, 1).row({ error: 'broken' }, 1);
    expect(seen(run.strike().gone().starts(2).ready(2).wait(2_000).picksUp(2).completed())).toBe(
      'passed backoff-kept',
    );
  });

  test('a retry that is sent with a task id of its own waits from there on, and not until there', () => {
    const run = aRun({ strikeAt: 'retrying', backoff: BACKOFF }).job().submitted().picksUp(1);
    run.row({ status: 'pending', retryCount: 1 }, 1).row({ taskId: 'the next' }, 1);
    expect(seen(run.strike().gone().starts(2).ready(2).wait(2_000).picksUp(2).completed())).toBe(
      'passed backoff-kept',
    );
  });

  test('a longer wait, or a last_retry_at that is touched and counts for nothing', () => {
    expect(seen(struck().wait(9_000).picksUp(2).completed())).toBe('passed backoff-kept');
    const touched = struck().wait(900).row({ lastRetryAt: '2026-01-31T12:00:01+00:00' }, 2);
    expect(seen(touched.wait(1_100).picksUp(2).completed())).toBe('passed backoff-kept');
  });

  test('a worker that counts from zero, as BullMQ and Celery do: by what its queue promised before the restart', () => {
    const promised = retrying()
      .broker({ due: { kind: 'at', atMs: 1_400 } })
      .strike()
      .gone()
      .starts(2);
    const at = promised
      .history()
      .of('row:version')
      .findLast(({ values }) => values?.retryCount === 1)!.atMs;
    expect(1_400 - at).toBeGreaterThan(1_000);
    expect(1_400 - at).toBeLessThan(1_900);
    expect(seen(promised.wait(1_300).picksUp(2).completed())).toBe('passed backoff-kept');
  });

  test('… or by a wait that the restart did not fall into, where every one fits', () => {
    const first = aRun({ backoff: BACKOFF }).job().submitted().picksUp(1);
    const waiting = first
      .row({ status: 'retrying', retryCount: 1 }, 1)
      .wait(1_000)
      .picksUp(1, { taskId: 'b' });
    const again = waiting.row({ status: 'retrying', retryCount: 2 }, 1).strike().gone().starts(2);
    expect(seen(again.wait(2_000).picksUp(2, { taskId: 'c' }).completed())).toBe('passed backoff-kept');
  });

  test('by polling an attempt may come and fail unseen: the next count ends the wait', () => {
    const unseen = (options: RunOptions, waitedMs: number): RunBuilder => {
      const again = { status: 'retrying', retryCount: 2, lastRetryAt: '2026-01-02T03:04:05Z' };
      return struck(options).wait(waitedMs).row(again, 2).wait(4_000).picksUp(2).completed();
    };
    expect(seen(unseen({ source: 'poll' }, 2_000))).toBe('passed backoff-kept');
    expect(seen(unseen({ source: 'poll' }, 300))).toBe('failed retried-too-early');
    // Where every change is seen there was none.
    expect(seen(unseen({}, 2_000))).toBe('failed backoff-begun-anew');
  });

  test('by polling a look may come late', () => {
    expect(seen(struck({ source: 'poll' }).wait(1_500).picksUp(2).completed())).toBe('passed backoff-kept');
  });
});

describe('failed', () => {
  test('the restart skipped the wait', () => {
    const history = struck().wait(300).picksUp(2).completed().end();
    expect(judgedAs(history, 'backoff-honoured')).toBe('failed retried-too-early');
    expect(findingOf(history, 'retried-too-early')).toMatchObject({ retry: 1, leastMs: 2_000 });
  });

  test('… of a worker that counts from zero, or from one, as its other waits show', () => {
    const zero = aRun({ backoff: BACKOFF }).job().submitted().picksUp(1);
    const early = zero.row({ status: 'retrying', retryCount: 1 }, 1).wait(1_000).picksUp(1, { taskId: 'b' });
    const cut = early.row({ status: 'retrying', retryCount: 2 }, 1).strike().gone().starts(2).wait(1_000);
    expect(seen(cut.picksUp(2, { taskId: 'c' }).completed())).toBe('failed retried-too-early');
    const one = struck().wait(1_200).picksUp(2).row({ status: 'retrying', retryCount: 2 }, 2).wait(4_000);
    expect(seen(one.picksUp(2, { taskId: 'c' }).completed())).toBe('failed retried-too-early');
  });

  test('one failure was counted twice', () => {
    const run = aRun({ backoff: BACKOFF })
      .job()
      .submitted()
      .picksUp(1)
      .row({ status: 'retrying', retryCount: 2 }, 1);
    expect(seen(run.wait(9_000).picksUp(1, { taskId: 'b' }).completed())).toBe('failed retry-counted-twice');
  });

  test('the restart let the wait begin anew, in the row or in the queue', () => {
    const anew = struck({}).wait(900).row({ lastRetryAt: '2026-01-31T12:00:01+00:00' }, 2);
    const history = anew.wait(2_000).picksUp(2).completed().end();
    expect(judgedAs(history, 'backoff-honoured')).toBe('failed backoff-begun-anew');
    expect(findingOf(history, 'backoff-begun-anew')).toMatchObject({ retry: 1, leastMs: 2_000 });
    expect(diagnosedAs(history)).toEqual(['backoff-lost']);
    const delayed = retrying()
      .broker({ due: { kind: 'at', atMs: 2_100 } })
      .strike()
      .gone()
      .starts(2);
    const later = delayed.wait(900).broker({ due: { kind: 'at', atMs: 3_050 } });
    expect(seen(later.wait(2_000).picksUp(2).completed())).toBe('failed backoff-begun-anew');
  });

  test('the retry never came, however long it should have waited', () => {
    const lost = struck().broker({ state: 'gone' }).timesOut().end();
    expect(judgedAs(lost, 'backoff-honoured')).toBe('failed retry-never-came');
    const unknown = lost.events.map((event) =>
      event.kind === 'run:started' ? { ...event, backoff: null } : event,
    );
    expect(judgedAs(createHistory(unknown), 'backoff-honoured')).toBe('failed retry-never-came');
  });
});

describe('inconclusive', () => {
  test('the retry is still to come', () => {
    expect(
      seen(
        struck()
          .broker({ due: { kind: 'at', atMs: 900_000 } })
          .timesOut(),
      ),
    ).toBe('inconclusive not-due-yet');
  });

  test('the record breaks off', () => {
    expect(judgedAs(struck().history(), 'backoff-honoured')).toBe('inconclusive history-breaks-off');
  });
});

describe('skipped', () => {
  test('nothing was retried', () => {
    expect(seen(handedOver({ backoff: BACKOFF }))).toBe('skipped nothing-retried');
  });

  test('a crash that is counted at the pick-up is no wait', () => {
    expect(seen(restarted({ backoff: BACKOFF }).picksUp(2, { retryCount: 1 }).completed())).toBe(
      'skipped nothing-retried',
    );
  });

  test('nor where the pick-up names a task of its own and keeps the status', () => {
    const run = restarted({ backoff: BACKOFF }).row({ taskId: 'another', retryCount: 1 }, 2).progress(40, 2);
    expect(seen(run.completed(2))).toBe('skipped nothing-retried');
  });

  test('nor is a count that was not there before', () => {
    const run = aRun({ backoff: BACKOFF }).job().row({ retryCount: null }, 1).submitted().picksUp(1);
    run.row({ status: 'retrying', retryCount: 1 }, 1).strike().gone().starts(2).ready(2).picksUp(2);
    expect(seen(run.completed())).toBe('skipped nothing-retried');
  });

  test('nor is there one in a row that was deleted and made again', () => {
    const run = restarted({ backoff: BACKOFF }).deletes(2).row({ status: 'processing', retryCount: 1 }, 2);
    expect(seen(run.completed(2))).toBe('skipped nothing-retried');
  });

  test('nor is one that is counted by a recovery before the pick-up, or before there was any attempt', () => {
    const recovered = restarted({ backoff: BACKOFF }).row({ retryCount: 1 }, 2).picksUp(2).completed();
    expect(seen(recovered)).toBe('skipped nothing-retried');
    const first = aRun({ backoff: BACKOFF }).job().submitted().row({ retryCount: 1 }, 1).picksUp(1);
    expect(seen(first.completed())).toBe('skipped nothing-retried');
  });

  test('nor is a count that comes with the end, or a wait that the end cut short', () => {
    expect(seen(restarted({ backoff: BACKOFF }).picksUp(2).row({ status: 'failed', retryCount: 1 }, 2))).toBe(
      'skipped nothing-retried',
    );
    expect(seen(struck().cancelled('psql'))).toBe('skipped nothing-retried');
  });

  test('how long it should wait is not known', () => {
    const run = retrying().strike().gone().starts(2).picksUp(2).completed();
    const events = run
      .end()
      .events.map((event) => (event.kind === 'run:started' ? { ...event, backoff: null } : event));
    expect(judgedAs(createHistory(events), 'backoff-honoured')).toBe('skipped backoff-unknown');
  });
});
