import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { createHistory } from '../history.ts';
import { judge } from '../report.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'reached-terminal');
}

describe('passed', () => {
  test.each([
    ['completed', (run: RunBuilder) => run.completed()],
    ['failed', (run: RunBuilder) => run.failed()],
    ['cancelled', (run: RunBuilder) => run.cancelled()],
  ] as const)('%s', (state, ends) => {
    const history = ends(restarted().picksUp(2)).end();
    expect(judgedAs(history, 'reached-terminal')).toBe('passed reached');
    expect(findingOf(history, 'reached')).toMatchObject({ state });
  });

  test('the time is that of the end that stands', () => {
    const run = restarted()
      .row({ status: 'failed', error: 'interrupted' }, 2)
      .wait(1_000)
      .picksUp(2)
      .completed();
    const struckAtMs = run.history().of('fault:injected')[0]!.atMs;
    const endedAtMs = run.history().of('row:version').at(-1)!.atMs;
    expect(findingOf(run.end(), 'reached')).toMatchObject({
      state: 'completed',
      afterMs: endedAtMs - struckAtMs,
    });
  });

  test('an end that no change shows is seen in a look', () => {
    const recorded = handedOver().reads();
    const read = recorded.events.at(-1)!;
    const unseen = recorded
      .end()
      .events.filter(
        (event) =>
          event.kind !== 'row:version' || event.source === 'read' || event.values?.state !== 'completed',
      );
    const history = createHistory(unseen);
    expect(judgedAs(history, 'reached-terminal')).toBe('passed reached');
    const struckAtMs = history.of('fault:injected')[0]!.atMs;
    expect(findingOf(history, 'reached')).toMatchObject({ afterMs: read.atMs - struckAtMs });
    const unstruck = createHistory(unseen.filter(({ kind }) => kind !== 'fault:injected'));
    expect(judgedAs(unstruck, 'reached-terminal')).toBe('passed reached-before-restart');
  });

  test('an end before the restart is called so', () => {
    expect(seen(inFlight().completed().strike().gone())).toBe('passed reached-before-restart');
    expect(seen(inFlight().completed())).toBe('passed reached-before-restart');
  });
});

describe('failed', () => {
  test('it still stands where it was', () => {
    const history = restarted().timesOut().end();
    expect(judgedAs(history, 'reached-terminal')).toBe('failed not-terminal broker-says');
    expect(findingOf(history, 'not-terminal')).toMatchObject({ state: 'processing', progress: 20 });
  });

  test('it was left again', () => {
    const history = restarted().picksUp(2).completed().row({ status: 'processing', progress: 50 }, 1).end();
    expect(judgedAs(history, 'reached-terminal')).toBe('failed reached-and-left');
    expect(findingOf(history, 'reached-and-left')).toMatchObject({ reached: 'completed', now: 'processing' });
  });

  test('it was left for good', () => {
    const history = restarted().picksUp(2).completed().deletes('psql').end();
    expect(judgedAs(history, 'reached-terminal')).toBe('failed reached-and-left');
    expect(findingOf(history, 'reached-and-left')).toMatchObject({ reached: 'completed', now: 'gone' });
  });

  test('the row is gone', () => {
    const run = restarted()
      .deletes(2)
      .broker({ due: { kind: 'next-boot' } });
    expect(seen(run)).toBe('failed not-terminal broker-says');
  });

  test('a new worker holds it and never ends: its lock that is renewed is no due time', () => {
    const run = restarted()
      .picksUp(2)
      .broker({ due: { kind: 'at', atMs: 500_000 }, lockUntilMs: 500_000 });
    expect(seen(run.timesOut())).toBe('failed not-terminal broker-says');
  });

  test('the same where the row shows nothing of it', () => {
    const run = restarted()
      .delivered(2)
      .broker({ due: { kind: 'at', atMs: 500_000 } });
    expect(seen(run.timesOut())).toBe('failed not-terminal broker-says');
  });
});

describe('inconclusive', () => {
  test('a status that no mapping knows may be an end', () => {
    const run = restarted().picksUp(2).row({ status: 'done' }, 2).acks().timesOut();
    const history = run.end();
    expect(judgedAs(history, 'reached-terminal')).toBe('inconclusive status-not-mapped');
    expect(judge(history)).toMatchObject({ verdict: 'inconclusive' });
    expect(judge(history).diagnoses).toEqual([{ id: 'status-not-mapped', values: { status: 'done' } }]);
  });

  test('nor is it called lost where the word for work is not known either', () => {
    const run = restarted().row({ status: 'running' }, 2).row({ status: 'done' }, 2).acks().timesOut();
    expect(judge(run.end())).toMatchObject({ verdict: 'inconclusive' });
  });

  test('a status that no mapping knows may be an end', () => {
    const run = restarted().picksUp(2).row({ status: 'done' }, 2).acks().timesOut();
    const history = run.end();
    expect(judgedAs(history, 'reached-terminal')).toBe('inconclusive status-not-mapped');
    expect(judge(history)).toMatchObject({ verdict: 'inconclusive' });
    expect(judge(history).diagnoses).toEqual([{ id: 'status-not-mapped', values: { status: 'done' } }]);
  });

  test('nothing was observed', () => {
    expect(seen(aRun())).toBe('inconclusive never-observed');
  });

  test('there was no restart', () => {
    expect(seen(inFlight())).toBe('inconclusive no-restart');
  });

  test('the old worker was never seen to go: how long it takes is its own matter', () => {
    const run = inFlight({ restartBy: 'operator', named: false }).strike().timesOut();
    expect(seen(run)).toBe('inconclusive not-terminal worker-not-seen-gone');
  });

  test('it is due later', () => {
    const history = restarted()
      .broker({ due: { kind: 'next-boot' } })
      .timesOut()
      .end();
    expect(judgedAs(history, 'reached-terminal')).toBe('inconclusive not-terminal not-due-yet');
    expect(findingOf(history, 'not-due-yet')).toMatchObject({ due: 'at the next start of a worker' });
  });

  test('it waits for a backoff of the new worker’s making', () => {
    const run = restarted().picksUp(2).row({ status: 'retrying', retryCount: 1 }, 2);
    run.broker({ state: 'delayed', owner: null, due: { kind: 'at', atMs: 900_000 } });
    expect(seen(run.timesOut())).toBe('inconclusive not-terminal not-due-yet');
  });

  test('the hold may be the reason', () => {
    const run = inFlight({ restartBy: 'operator', named: false });
    run.event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 }).strike();
    run.event({ kind: 'hold:broken', job: 'job-1', reason: 'terminated' }).gone().starts(2);
    expect(seen(run.timesOut())).toBe('inconclusive not-terminal hold-broken');
  });

  test('the history breaks off', () => {
    expect(judgedAs(restarted().picksUp(2).history(), 'reached-terminal')).toBe(
      'inconclusive not-terminal history-breaks-off',
    );
  });
});

test('a history that breaks off after the end has shown the end', () => {
  expect(judgedAs(handedOver().history(), 'reached-terminal')).toBe('passed reached');
});
