/** The end of the job as the queue knows it, beside the end as the row knows it. */
import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());
const COMPLETED = { status: 'completed', progress: 100, completedAt: '2026-01-31T12:00:01+00:00' };

describe('row and queue disagree', () => {
  test('the queue was told that it failed, the row that it completed', () => {
    const history = handedOver().broker({ state: 'dead' }).end();
    expect(diagnosedAs(history)).toEqual(['row-and-queue-disagree']);
    const values = { status: 'completed', broker: 'the broker gave it up' };
    expect(valuesOfDiagnosis(history, 'row-and-queue-disagree')).toEqual(values);
  });

  const toldAlone = (state: 'ended' | 'gone'): RunBuilder =>
    restarted().picksUp(2).row({ status: 'retrying', progress: 40 }, 2).broker({ state, owner: null });

  test.each(['ended', 'gone'] as const)('the queue was told of an end, the row was not: %s', (state) => {
    const history = toldAlone(state).timesOut().end();
    expect(diagnosedAs(history)).toEqual(['row-and-queue-disagree']);
    expect(valuesOfDiagnosis(history, 'row-and-queue-disagree')).toMatchObject({ status: 'retrying' });
  });

  test('or the new worker died before it could tell the row: that is told', () => {
    expect(causes(toldAlone('ended').exits(2, 1).timesOut())).toEqual(['successor-died']);
  });
});

describe('the queue keeps a job that has ended', () => {
  test('because whoever ended it never acknowledged it, the new worker or, in a drain, the old one', () => {
    expect(causes(restarted().picksUp(2).row(COMPLETED, 2))).toEqual(['never-acked']);
    const drained = inFlight({ polite: true }).strike().row(COMPLETED, 1).gone().starts(2).ready(2);
    expect(causes(drained)).toEqual(['never-acked']);
  });

  test('because nobody had been handed it: then there was nothing to acknowledge', () => {
    const run = aRun({ strikeAt: 'pending' }).job().submitted().strike().gone().starts(2).ready(2);
    expect(causes(run.cancelled('psql').broker({ state: 'waiting' }))).not.toContain('never-acked');
  });

  test('and only a look shows that it has ended: who should have acknowledged it is not known', () => {
    const run = restarted();
    const seen = run.row(COMPLETED, 2).events.pop();
    if (seen?.kind !== 'row:version') throw new Error('a version was expected');
    expect(causes(run.event({ ...seen, source: 'read' }))).not.toContain('never-acked');
  });
});
