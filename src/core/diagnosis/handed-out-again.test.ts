/** The broker handed the job out after the restart, more than once perhaps, and no work came of it. */
import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, judgedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import type { MessageState } from '../event.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());

describe('taken again and again', () => {
  test('with no step of work done is taken and left, claimed anew or not', () => {
    const taken = restarted().delivered(2).delivered(2).timesOut().end();
    expect(diagnosedAs(taken)).toEqual(['redelivered-but-skipped']);
    expect(valuesOfDiagnosis(taken, 'redelivered-but-skipped')).toEqual({ deliveries: 3 });
    expect(causes(restarted().picksUp(2).picksUp(2).timesOut())).toEqual(['redelivered-but-skipped']);
  });

  test('once, and standing still, hangs', () => {
    expect(causes(restarted().delivered(2).timesOut())).toEqual(['stuck-after-pickup']);
  });

  test('but on its way is neither', () => {
    const run = restarted().picksUp(2).picksUp(2, { progress: 40 }).timesOut();
    expect(causes(run)).toEqual(['stuck-after-pickup']);
  });

  test('is compared with what the old worker had done when it was gone, not when it was asked to stop', () => {
    const further = inFlight({ polite: true }).strike().progress(40).gone().starts(2).ready(2);
    expect(causes(further.picksUp(2).picksUp(2).timesOut())).toEqual(['redelivered-but-skipped']);
    const reset = inFlight({ polite: true }).strike().row({ status: 'pending', progress: 0 }, 1).gone();
    const left = reset.starts(2).ready(2).picksUp(2).picksUp(2).timesOut();
    expect(causes(left)).toEqual(['redelivered-but-skipped', 'progress-reset']);
  });

  test('is not known where nobody counted before', () => {
    const run = inFlight().broker({ state: 'unknown', deliveries: null }).strike().gone().starts(2).ready(2);
    expect(causes(run.broker({ state: 'active', deliveries: 3 }).timesOut())).not.toContain(
      'redelivered-but-skipped',
    );
  });
});

describe('put back again and again', () => {
  const putBack = (times: number, state: MessageState, dueMs = 121_000): RunBuilder => {
    const run = restarted();
    for (let time = 0; time < times; time += 1) {
      run.delivered(2).broker({ state, owner: null, due: { kind: 'at', atMs: dueMs } });
    }
    return run.timesOut();
  };

  test.each(['waiting', 'delayed'] as const)(
    'something keeps every new worker away from what is %s now, though somebody listens',
    (state) => {
      const history = putBack(2, state).end();
      expect(diagnosedAs(history)).toEqual(['stale-lock']);
      expect(valuesOfDiagnosis(history, 'stale-lock')).toEqual({ incarnation: 2, again: 2 });
    },
  );

  test('also where the last look finds it handed out once more', () => {
    const run = restarted();
    for (let time = 0; time < 2; time += 1) run.delivered(2).broker({ state: 'delayed', owner: null });
    expect(causes(run.delivered(2).timesOut())).toEqual(['stale-lock']);
    const waits = restarted();
    for (let time = 0; time < 2; time += 1) waits.delivered(2).broker({ state: 'waiting', owner: null });
    expect(causes(waits.delivered(2).timesOut())).toEqual(['stale-lock']);
    const once = restarted().delivered(2).broker({ state: 'delayed', owner: null }).delivered(2);
    expect(causes(once.timesOut())).toEqual(['redelivered-but-skipped']);
  });

  test('for longer than was waited, the last time, it is due then', () => {
    expect(causes(putBack(2, 'delayed', 400_000))).toEqual(['not-yet-due']);
  });

  test('and given up in the end, or done with, it is that', () => {
    expect(causes(putBack(2, 'dead'))).toEqual(['broker-gave-up-row-not-told']);
    expect(causes(putBack(2, 'ended'))).toEqual(['redelivered-but-skipped']);
  });

  test('as far as a broker was there to count it', () => {
    expect(causes(restarted({ broker: false }).timesOut())).toEqual(['never-reclaimed']);
  });

  describe('on Celery, by the retries that the message counts', () => {
    const retried = (retries: number): RunBuilder =>
      inFlight({ queue: 'celery' })
        .broker({ deliveries: null, facts: { retries: 0 } })
        .strike()
        .gone()
        .starts(2)
        .ready(2)
        .broker({ state: 'delayed', due: { kind: 'at', atMs: 121_000 }, facts: { retries } });

    test('with the row untouched, something keeps every new worker away', () => {
      const history = retried(2).timesOut().end();
      expect(judgedAs(history, 'reached-terminal')).toMatch(/^failed/);
      expect(diagnosedAs(history)).toEqual(['stale-lock']);
    });

    test('once may be bad luck: then it is said when it comes', () => {
      const history = retried(1).timesOut().end();
      expect(judgedAs(history, 'reached-terminal')).toMatch(/^inconclusive/);
      expect(diagnosedAs(history)).toEqual(['not-yet-due']);
    });

    /** RabbitMQ counts nothing: each look names the time until which a worker keeps the message. */
    const putOffUntil = (...dueMs: readonly number[]): RunBuilder => {
      const run = inFlight({ queue: 'celery' })
        .broker({ deliveries: null })
        .strike()
        .gone()
        .starts(2)
        .ready(2);
      for (const atMs of dueMs) run.broker({ state: 'delayed', owner: null, due: { kind: 'at', atMs } });
      return run.timesOut();
    };

    test('or by the times that it is put off to, each later than the one before', () => {
      const history = putOffUntil(120_000, 121_000).end();
      expect(judgedAs(history, 'reached-terminal')).toMatch(/^failed/);
      expect(diagnosedAs(history)).toEqual(['stale-lock']);
      expect(valuesOfDiagnosis(history, 'stale-lock')).toEqual({ incarnation: 2, again: 2 });
    });

    test('the same time, told a moment later, is no second one; nor is what lies further away than was waited in vain', () => {
      for (const dueMs of [
        [121_000, 121_100],
        [121_000, 400_000],
      ]) {
        const history = putOffUntil(...dueMs).end();
        expect(judgedAs(history, 'reached-terminal')).toMatch(/^inconclusive/);
        expect(diagnosedAs(history)).toEqual(['not-yet-due']);
      }
    });

    test('a worker that has begun with it and waits is not kept away', () => {
      expect(causes(retried(3).picksUp(2).timesOut())).not.toContain('stale-lock');
    });
  });
});

describe('skipped', () => {
  /** Gone at the end, in a broker that counts nothing, and this is how it stood when the old worker was gone. */
  const then = (state: MessageState): readonly string[] => {
    const run = inFlight().broker({ deliveries: null }).strike().broker({ state, owner: null }).gone();
    return causes(run.starts(2).ready(2).broker({ state: 'gone' }).timesOut());
  };

  test.each(['waiting', 'active', 'delayed'] as const)(
    'it still had it when the old worker was gone: %s',
    (state) => {
      expect(then(state)).toContain('redelivered-but-skipped');
    },
  );

  test.each(['dead', 'unknown', 'ended'] as const)('it had not, or does not tell: %s', (state) => {
    expect(then(state)).not.toContain('redelivered-but-skipped');
  });

  test('counted later, whatever it had told when the old worker was gone', () => {
    const run = inFlight().strike().broker({ state: 'unknown' }).gone().starts(2).ready(2).delivered(2);
    const history = run.broker({ state: 'ended', owner: null }).timesOut().end();
    expect(diagnosedAs(history)).toEqual(['redelivered-but-skipped']);
    expect(valuesOfDiagnosis(history, 'redelivered-but-skipped')).toEqual({ deliveries: 2 });
  });
});
