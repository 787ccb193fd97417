import { judge } from '../report.ts';
import { describe, expect, test } from 'vitest';
import type { BrokerState } from '../event.ts';
import { createHistory } from '../history.ts';
import { aRun, handedOver, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'witnesses-unharmed');
}

/** One witness has ended, the other waits behind the subject, and the subject is struck. */
function struck(): RunBuilder {
  return aRun()
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
}

/** … and handed over, with the subject at its end. */
const recovered = (): RunBuilder => struck().picksUp(2).completed();
const waits = (run: RunBuilder): RunBuilder => run.of('witness-waiting').picksUp(2).completed();

describe('passed', () => {
  test('the ended one was left alone, the waiting one ran once', () => {
    expect(seen(waits(recovered()))).toBe('passed witnesses-well');
  });

  test('a change of a column that is not known is no harm', () => {
    expect(seen(waits(recovered()).of('witness-ended').row({}, 'notifier'))).toBe('passed witnesses-well');
  });
});

describe('failed', () => {
  test('the ended one was spoilt by a recovery', () => {
    const run = struck()
      .of('witness-ended')
      .row({ status: 'failed' }, 2)
      .of('subject')
      .picksUp(2)
      .completed();
    const history = waits(run).end();
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('failed ended-witness-touched');
    expect(findingOf(history, 'ended-witness-touched')).toMatchObject({
      before: 'completed',
      after: 'failed',
    });
  });

  test('the ended one was deleted', () => {
    expect(seen(waits(recovered()).of('witness-ended').deletes(2))).toBe('failed ended-witness-touched');
  });

  test('the ended one kept its status, and its counts and times were written over', () => {
    const run = struck()
      .of('witness-ended')
      .row({ retryCount: 1, completedAt: null }, 2)
      .of('subject')
      .picksUp(2)
      .completed();
    expect(judgedAs(waits(run).end(), 'witnesses-unharmed')).toBe('failed ended-witness-touched');
  });

  test('the waiting one was failed by a recovery, though its file is good', () => {
    const run = recovered().of('witness-waiting').row({ status: 'failed', error: 'interrupted' }, 2);
    expect(seen(run)).toBe('failed waiting-witness-failed');
  });

  test('the subject failed too, and one like it had completed before the strike', () => {
    const refused = (): RunBuilder =>
      struck().picksUp(2).failed('locked').of('witness-waiting').picksUp(2).failed('locked');
    expect(seen(refused())).toBe('failed waiting-witness-failed');
    // The control was worked on after the restart: it is refused for the same reason, and proves nothing.
    const controlled = refused().job('control').submitted().picksUp(2).failed('locked').end();
    expect(judgedAs(controlled, 'same-outcome')).toBe('inconclusive control-refused-too');
    expect(diagnosedAs(controlled)).toContain('slot-left-behind');
  });

  test('the waiting one never ran', () => {
    const history = recovered().end();
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('failed waiting-witness-stuck');
    expect(findingOf(history, 'waiting-witness-stuck')).toMatchObject({ status: 'pending' });
  });

  test('the waiting one never ran, nor did the subject, in all the time there was', () => {
    expect(seen(struck().timesOut())).toBe('failed waiting-witness-stuck');
  });

  test('the waiting one ran twice', () => {
    const run = waits(recovered()).of('witness-waiting').picksUp(2, { taskId: 'again' }).completed();
    expect(seen(run)).toBe('failed waiting-witness-twice');
  });

  test('the waiting one is worked on again after its end', () => {
    const run = waits(recovered()).of('witness-waiting').row({ status: 'processing' }, 2);
    const history = run.end();
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('failed waiting-witness-reopened');
    expect(findingOf(history, 'waiting-witness-reopened')).toMatchObject({
      before: 'completed',
      now: 'processing',
    });
    expect(judge(history).diagnoses.map(({ id }) => id)).toContain('reran-finished-job');
  });

  test('the waiting one is gone', () => {
    expect(seen(recovered().of('witness-waiting').deletes(2))).toBe('failed waiting-witness-gone');
  });

  test('the waiting one left its effect twice', () => {
    const run = waits(recovered()).event({
      kind: 'effects:counted',
      job: 'job-waiting',
      role: 'witness-waiting',
      source: 'query',
      effects: [{ item: '/tmp/witness-waiting/file-1.pdf', count: 2 }],
    });
    expect(seen(run)).toBe('failed effect-repeated');
  });
});

describe('inconclusive', () => {
  test('the waiting one was not waited for, because the subject itself did not end', () => {
    expect(seen(struck().exits(2, 1))).toBe('inconclusive waiting-witness-not-awaited');
  });

  test('what keeps the subject from being due yet keeps the one behind it too', () => {
    const run = struck()
      .broker({ due: { kind: 'at', atMs: 900_000 } })
      .timesOut();
    expect(seen(run)).toBe('inconclusive waiting-witness-stuck not-due-yet');
  });

  test('the record breaks off', () => {
    expect(judgedAs(recovered().history(), 'witnesses-unharmed')).toBe(
      'inconclusive waiting-witness-not-awaited',
    );
  });

  test('there was no restart', () => {
    const run = aRun()
      .job('witness-ended')
      .picksUp(1)
      .completed()
      .job('subject')
      .submitted()
      .picksUp(1)
      .completed();
    expect(seen(run)).toBe('inconclusive no-restart');
  });
});

test('skipped without witnesses', () => {
  expect(seen(handedOver())).toBe('skipped no-witnesses');
});

describe('one witness alone', () => {
  const without = (run: RunBuilder, role: string): string => {
    const { events } = run.end();
    const job = role === 'witness-ended' ? 'job-ended' : 'job-waiting';
    return judgedAs(
      createHistory(events.filter((event) => !('job' in event) || event.job !== job)),
      'witnesses-unharmed',
    );
  };

  test('is judged by itself', () => {
    expect(without(waits(recovered()), 'witness-ended')).toBe('passed witnesses-well');
    expect(without(recovered(), 'witness-waiting')).toBe('passed witnesses-well');
    expect(without(recovered(), 'witness-ended')).toMatch(/waiting-witness-stuck/);
  });

  test('that was made and never seen is stuck as far as one knows', () => {
    const { events } = recovered().end();
    const unseen = createHistory(
      events.filter((event) => event.kind !== 'row:version' || event.role !== 'witness-waiting'),
    );
    expect(findingOf(unseen, 'waiting-witness-stuck')).toMatchObject({ status: 'unknown' });
  });
});

describe('what is counted of a witness', () => {
  const counted = (run: RunBuilder, role: 'witness-ended' | 'witness-waiting', count: number): RunBuilder =>
    run.event({
      kind: 'effects:counted',
      job: role === 'witness-ended' ? 'job-ended' : 'job-waiting',
      role,
      source: 'query',
      effects: count === 0 ? [] : [{ item: `/tmp/${role}/file-1.pdf`, count }],
    });

  test('an effect that is there twice', () => {
    expect(seen(counted(waits(recovered()), 'witness-ended', 2))).toBe('failed effect-repeated');
    expect(seen(counted(waits(recovered()), 'witness-waiting', 2))).toBe('failed effect-repeated');
    const history = counted(waits(recovered()), 'witness-ended', 2).end();
    expect(findingOf(history, 'effect-repeated')).toMatchObject({
      item: '/tmp/witness-ended/file-1.pdf',
      count: 2,
    });
  });

  test('one that is missing from a completed one, not from a failed one', () => {
    expect(seen(counted(waits(recovered()), 'witness-waiting', 0))).toBe('failed effect-missing');
    const failed = struck().picksUp(2).failed().of('witness-waiting').picksUp(2).failed();
    expect(seen(counted(failed, 'witness-waiting', 0))).toBe('failed waiting-witness-failed');
  });
});

describe('a waiting one that is stuck', () => {
  test('fails where the subject has ended, whatever the broker still keeps', () => {
    const run = recovered().broker({ state: 'delayed', due: { kind: 'at', atMs: 9_000_000 } });
    expect(seen(run)).toBe('failed waiting-witness-stuck');
  });

  test('was not awaited where another time was over, or where no worker was seen to go', () => {
    const other = struck().event({ kind: 'timeout:reached', timeout: 'processing', afterMs: 1 });
    expect(seen(other.broker({ state: 'gone', owner: null, due: { kind: 'never' } }))).toBe(
      'inconclusive waiting-witness-not-awaited',
    );
    const { events } = recovered().end();
    const ungone = createHistory(events.filter(({ kind }) => kind !== 'worker:gone'));
    expect(judgedAs(ungone, 'witnesses-unharmed')).toBe('inconclusive waiting-witness-not-awaited');
  });
});

describe('the waiting one had been fetched by the dead worker too', () => {
  const UNTIL = { kind: 'at', atMs: 90_000 } as const;
  /** How the broker has it when the worker was gone, and at the end. */
  function fetched(then: Partial<BrokerState>, now: Partial<BrokerState>): RunBuilder {
    const state = {
      lockUntilMs: null,
      stalls: null,
      failedReason: null,
      messages: 1,
      owner: null,
      deliveries: null,
    };
    const look = (run: RunBuilder, changes: Partial<BrokerState>): RunBuilder =>
      run.event({
        kind: 'broker:snapshot',
        job: 'job-waiting',
        role: 'witness-waiting',
        state: 'active',
        due: UNTIL,
        ...state,
        ...changes,
      });
    return look(look(struck(), then).of('subject').picksUp(2).completed(), now);
  }

  test('inconclusive: the broker gives it back later', () => {
    const history = fetched({}, {}).end();
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('inconclusive waiting-witness-stuck not-due-yet');
    expect(judge(history).diagnoses).toMatchObject([{ id: 'not-yet-due', values: { neighbour: 1 } }]);
    expect(seen(fetched({ deliveries: 1 }, { deliveries: 1, owner: 'token-of-1' }))).toContain(
      'inconclusive',
    );
    expect(seen(fetched({}, { due: { kind: 'next-boot' } }))).toContain('inconclusive');
  });

  test('failed: it had waited, a living worker has it, or it is overdue', () => {
    expect(seen(fetched({ state: 'waiting' }, {}))).toBe('failed waiting-witness-stuck');
    expect(seen(fetched({}, { state: 'waiting', due: { kind: 'now' } }))).toBe(
      'failed waiting-witness-stuck',
    );
    expect(seen(fetched({}, { owner: 'celery@host' }))).toBe('failed waiting-witness-stuck');
    expect(seen(fetched({ deliveries: 1 }, { deliveries: 2 }))).toBe('failed waiting-witness-stuck');
    expect(seen(fetched({}, { due: { kind: 'at', atMs: 1 } }))).toBe('failed waiting-witness-stuck');
  });
});
