/** Children of a worker, and of a job. */
import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import type { BrokerState } from '../event.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());

describe('a child that was killed', () => {
  const killed = (after: Partial<BrokerState>, reach: 'child' | 'tree' = 'child'): RunBuilder =>
    inFlight().strike('SIGKILL', reach).broker(after).gone().starts(2).ready(2);

  test.each(['dead', 'ended', 'gone'] as const)(
    'was reported as the end of the job by its parent: %s',
    (state) => {
      const history = killed({ state, owner: null }).timesOut().end();
      expect(diagnosedAs(history)).toEqual(['child-death-acked']);
      expect(valuesOfDiagnosis(history, 'child-death-acked')).toMatchObject({ reach: 'child' });
    },
  );

  test('with all of its worker had no parent to report it', () => {
    const history = killed({ state: 'dead', owner: null }, 'tree').timesOut().end();
    expect(diagnosedAs(history)).toEqual(['broker-gave-up-row-not-told']);
  });

  test('was not reported while the broker has the job, or had done with it before', () => {
    expect(causes(killed({ due: { kind: 'never' } }).timesOut())).toEqual(['never-reclaimed']);
    const early = inFlight().broker({ state: 'ended', owner: null }).strike('SIGKILL', 'child').gone();
    expect(causes(early.starts(2).ready(2).timesOut())).toEqual(['acked-before-done']);
  });

  test('was reported, and the job run again all the same', () => {
    expect(causes(killed({ state: 'dead', owner: null }).picksUp(2).progress(60).completed())).toEqual([]);
  });
});

describe('children that the broker waits for', () => {
  const facts = { waitsForChildren: true };
  const waiting = (): RunBuilder => restarted().broker({ state: 'delayed', due: { kind: 'never' }, facts });

  test('died with the worker', () => {
    const history = waiting().timesOut().end();
    expect(diagnosedAs(history)).toEqual(['group-waits-for-the-dead']);
    expect(valuesOfDiagnosis(history, 'group-waits-for-the-dead')).toEqual({ progress: 20 });
  });

  test('… also where the new worker has begun with the job itself', () => {
    const taken = restarted()
      .picksUp(2)
      .broker({ state: 'delayed', due: { kind: 'never' }, facts });
    expect(causes(taken.timesOut())).toEqual(['group-waits-for-the-dead']);
  });

  test('did not where nobody is left to work, none is waited for, or the job has ended', () => {
    expect(causes(waiting().exits(2, 1).timesOut())).toEqual(['successor-died']);
    expect(causes(restarted().broker({ facts: {} }).timesOut())).not.toContain('group-waits-for-the-dead');
    expect(causes(restarted().picksUp(2).progress(60).completed().broker({ facts }))).toEqual([]);
  });
});
