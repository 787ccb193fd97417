import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import type { DiagnosisId } from './index.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());
const valuesOf = (run: RunBuilder, id: DiagnosisId): unknown => valuesOfDiagnosis(run.end(), id);

/** Struck with the broker in this state, worker 2 there, and nothing came of it. */
function lostWith(state: 'ended' | 'gone'): RunBuilder {
  return inFlight().broker({ state, owner: null }).strike().gone().starts(2).ready(2).timesOut();
}

describe('the message was not there any more', () => {
  test('acknowledged before the work was done', () => {
    expect(causes(lostWith('ended'))).toEqual(['acked-before-done']);
    expect(valuesOf(lostWith('ended'), 'acked-before-done')).toEqual({ progress: 20 });
  });

  test('popped without a copy', () => {
    expect(causes(lostWith('gone'))).toEqual(['popped-without-copy']);
  });

  test('done on the way out of a polite stop, and only the end was not told', () => {
    const left = (progress: number): readonly string[] =>
      causes(
        inFlight({ polite: true })
          .strike()
          .progress(progress, 1)
          .broker({ state: 'ended', owner: null })
          .gone()
          .starts(2)
          .ready(2)
          .timesOut(),
      );
    expect(left(100)).toEqual(['row-and-queue-disagree']);
    expect(left(80)).toEqual(['acked-on-shutdown']);
  });

  test('acknowledged on the way out of a polite stop', () => {
    const run = inFlight({ polite: true })
      .strike()
      .broker({ state: 'ended', owner: null })
      .gone()
      .starts(2)
      .ready(2);
    expect(causes(run.timesOut())).toEqual(['acked-on-shutdown']);
  });
});

describe('the message came and nothing was done', () => {
  test('handed out again and skipped, by the broker’s count', () => {
    const run = (): RunBuilder => restarted().delivered(2).broker({ state: 'ended', owner: null }).timesOut();
    expect(causes(run())).toEqual(['redelivered-but-skipped']);
    expect(valuesOf(run(), 'redelivered-but-skipped')).toEqual({ deliveries: 2 });
  });

  test('the same in a broker that counts nothing: it was there after the old worker, and is finished', () => {
    const run = inFlight().broker({ deliveries: null }).strike().gone().starts(2).ready(2);
    expect(causes(run.broker({ state: 'gone', owner: null }).timesOut())).toEqual([
      'redelivered-but-skipped',
    ]);
  });

  test('an earlier holder of the message, of before the strike, is no redelivery', () => {
    const run = aRun()
      .job()
      .submitted()
      .broker({ deliveries: null, state: 'active', owner: 'first attempt' });
    run.row({ status: 'processing', taskId: 'a' }, 1).broker({ owner: 'second attempt' }).progress(20, 1);
    run.strike().broker({ state: 'ended', owner: null }).gone().starts(2).ready(2);
    expect(causes(run.timesOut())).toEqual([]);
  });

  test('a worker that worked on it and then let it go did not skip it', () => {
    const run = restarted().picksUp(2).progress(40).broker({ state: 'ended', owner: null }).timesOut();
    expect(causes(run)).toEqual(['row-and-queue-disagree']);
  });

  test('the broker gave it up and the row was not told', () => {
    const run = (): RunBuilder =>
      restarted()
        .broker({ state: 'dead', owner: null, failedReason: 'stalled too often', stalls: 2 })
        .timesOut();
    expect(causes(run())).toEqual(['broker-gave-up-row-not-told']);
    expect(valuesOf(run(), 'broker-gave-up-row-not-told')).toEqual({
      reason: 'stalled too often',
      stalls: 2,
    });
  });
});

describe('the message is still there', () => {
  test('held for the dead, and nobody looks', () => {
    expect(
      causes(
        restarted()
          .broker({ due: { kind: 'never' } })
          .timesOut(),
      ),
    ).toEqual(['never-reclaimed']);
    expect(causes(restarted({ broker: false }).timesOut())).toEqual(['never-reclaimed']);
    expect(causes(restarted().broker({ state: 'unknown' }).timesOut())).toEqual(['never-reclaimed']);
  });

  test('due later', () => {
    const run = (): RunBuilder =>
      restarted()
        .broker({ due: { kind: 'at', atMs: 150_000 } })
        .timesOut();
    expect(causes(run())).toEqual(['not-yet-due']);
    expect(valuesOf(run(), 'not-yet-due')).toMatchObject({ timeoutMs: 120_000 });
  });

  test('it waits and nobody takes it, a new worker there or not', () => {
    const waits = (run: RunBuilder): RunBuilder =>
      run.broker({ state: 'waiting', owner: null, due: { kind: 'now' } }).timesOut();
    expect(causes(waits(restarted()))).toEqual(['nobody-listens']);
    expect(valuesOf(waits(restarted()), 'nobody-listens')).toEqual({ connected: 1, queues: null });
    expect(valuesOf(waits(inFlight().strike().gone().starts(2)), 'nobody-listens')).toEqual({
      connected: 0,
      queues: null,
    });
  });

  test('it waits in a queue that is paused, and so does the one behind it', () => {
    const paused = {
      state: 'waiting',
      owner: null,
      due: { kind: 'unknown' },
      facts: { paused: true },
    } as const;
    const run = (): RunBuilder => restarted().broker(paused).timesOut().job('witness-waiting').of('subject');
    expect(causes(run())).toContain('nobody-listens');
    expect(causes(run())).not.toContain('stale-lock');
    expect(valuesOf(run(), 'nobody-listens')).toMatchObject({ paused: 1 });
  });

  test('a new worker has it and does not end it, whether the row shows it or not', () => {
    const renews = { due: { kind: 'at', atMs: 500_000 } } as const;
    expect(causes(restarted().picksUp(2).broker(renews).timesOut())).toEqual(['stuck-after-pickup']);
    expect(causes(restarted().delivered(2).broker(renews).timesOut())).toEqual(['stuck-after-pickup']);
    expect(causes(restarted({ broker: false }).picksUp(2).timesOut())).toEqual(['stuck-after-pickup']);
  });

  test('… until the broker gives it up', () => {
    const run = restarted().picksUp(2).broker({ state: 'dead', owner: null }).timesOut();
    expect(causes(run)).toEqual(['broker-gave-up-row-not-told']);
  });

  test('it waits, and was told to somebody, or to nobody who lives', () => {
    const fetched = restarted().broker({ state: 'waiting', owner: 'token-of-2', due: { kind: 'now' } });
    expect(causes(fetched.timesOut())).not.toContain('nobody-listens');
    const died = restarted().exits(2, 1).broker({ state: 'waiting', owner: null });
    expect(causes(died.timesOut())).toEqual(['successor-died']);
  });

  test('it waits, told with the queues that the workers consume', () => {
    const waits = { state: 'waiting', owner: null, due: { kind: 'now' } } as const;
    const run = restarted().broker({ ...waits, facts: { workerQueues: 'other' } });
    expect(valuesOf(run.timesOut(), 'nobody-listens')).toEqual({ connected: 1, queues: 'other' });
  });
});

describe('the new worker', () => {
  test('ended by itself, with what it said last', () => {
    const run = (): RunBuilder => inFlight().strike().gone().starts(2).exits(2, 1, 'pid file exists');
    expect(causes(run())).toEqual(['successor-died']);
    expect(valuesOf(run(), 'successor-died')).toEqual({
      incarnation: 2,
      exitCode: 1,
      signal: null,
      lastLine: 'pid file exists',
    });
  });

  test('ended by itself in the middle of the job', () => {
    expect(causes(restarted().picksUp(2).progress(40).exits(2, 139).timesOut())).toEqual(['successor-died']);
  });

  test('ended by itself after the job had ended: no harm was done', () => {
    expect(causes(handedOver().exits(2, 0))).toEqual([]);
  });

  test('deleted the job', () => {
    expect(causes(restarted().deletes(2))).toEqual(['deleted-at-boot']);
    expect(causes(restarted().deletes(2).broker({ state: 'gone', owner: null }))).toEqual([
      'deleted-at-boot',
    ]);
    expect(causes(restarted().deletes(2).timesOut())).toContain('deleted-at-boot');
  });

  test('did not delete it where somebody else did, nobody saw who, or rows may be deleted', () => {
    expect(causes(restarted().deletes(1))).not.toContain('deleted-at-boot');
    expect(causes(restarted().deletes('psql').timesOut())).not.toContain('deleted-at-boot');
    expect(causes(inFlight().deletes(1).strike().gone().starts(2))).not.toContain('deleted-at-boot');
    const seen = restarted();
    const deletion = seen.deletes(2).events.pop();
    if (deletion?.kind !== 'row:version') throw new Error('a version was expected');
    expect(causes(seen.event({ ...deletion, source: 'read' }))).not.toContain('deleted-at-boot');
    expect(causes(handedOver({ levels: { 'job-persisted': 'off' } }).deletes(2))).toEqual([]);
  });
});

describe('no cause is named', () => {
  test('where all is well', () => {
    expect(causes(handedOver())).toEqual([]);
    expect(causes(handedOver({ named: false }))).toEqual([]);
    expect(causes(inFlight({ polite: true }).strike().completed().gone().starts(2).ready(2))).toEqual([]);
  });

  test('of the target where the history breaks off', () => {
    expect(diagnosedAs(restarted().history())).toEqual([]);
    expect(diagnosedAs(restarted().picksUp(2).history())).toEqual([]);
    expect(diagnosedAs(restarted({ broker: false }).history())).toEqual([]);
  });

  test('of the target where the old worker was never seen to go', () => {
    const run = inFlight({ restartBy: 'operator', named: false })
      .strike()
      .broker({ state: 'dead' })
      .timesOut();
    expect(causes(run)).toEqual(['worker-not-restarted']);
  });

  test('of the target where the job had not been in flight', () => {
    const run = aRun()
      .job()
      .submitted()
      .picksUp(1)
      .row({ status: 'pending' }, 1)
      .broker({ state: 'delayed' });
    expect(causes(run.strike().gone().starts(2).timesOut())).toEqual(['not-in-flight']);
  });
});
