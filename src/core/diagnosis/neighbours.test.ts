/** What became of the jobs beside the subject: one that had ended before the strike, one that waited behind. */
import { describe, expect, test } from 'vitest';
import { aRun, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import { struck, waits } from '../../testing/witnessed-runs.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());

const done = (run: RunBuilder): RunBuilder => run.of('subject').picksUp(2).progress(60).completed();

describe('the one that had ended', () => {
  const touched = (...by: readonly (number | string)[]): RunBuilder => {
    const run = waits(struck()).of('witness-ended');
    for (const who of by) run.row({ status: 'failed', error: `by ${who}` }, who);
    return done(run);
  };

  test('was spoilt by a recovery, or by somebody unknown', () => {
    const history = touched(2).end();
    expect(diagnosedAs(history)).toEqual(['recovery-hit-finished-jobs']);
    const values = { before: 'completed', after: 'failed' };
    expect(valuesOfDiagnosis(history, 'recovery-hit-finished-jobs')).toEqual(values);
    expect(causes(touched('somebody'))).toEqual(['recovery-hit-finished-jobs']);
  });

  test('was not by a late write of the worker that ended it, but by a recovery that came on top of that', () => {
    expect(causes(touched(1))).toEqual([]);
    expect(causes(touched(1, 2))).toEqual(['recovery-hit-finished-jobs']);
    const early = aRun().job('witness-ended').picksUp(1).completed().progress(90, 1).job('subject');
    early.submitted().picksUp(1).progress(20).strike().gone().starts(2).ready(2);
    expect(causes(done(early))).toEqual([]);
  });
});

describe('the one behind never ran', () => {
  test('because the dead still counts', () => {
    const history = done(struck()).end();
    expect(diagnosedAs(history)).toEqual(['slot-left-behind']);
    expect(valuesOfDiagnosis(history, 'slot-left-behind')).toEqual({ status: 'pending' });
  });

  test('because the new worker died, before it had done the job in hand or after', () => {
    expect(causes(struck().exits(2, 1).timesOut())).toEqual(['successor-died']);
    expect(causes(done(struck()).exits(2, 1))).toEqual(['successor-died']);
    expect(causes(done(waits(struck())).exits(2, 1))).toEqual([]);
  });

  test('for the same reason as the subject, or because nobody needed it: that is told of the subject', () => {
    expect(causes(struck().timesOut())).toEqual(['stale-lock', 'never-reclaimed']);
    expect(causes(struck().deletes('psql').timesOut())).not.toContain('slot-left-behind');
  });
});

describe('the one behind was ended by a new worker', () => {
  const ended = (who: number | string, begun = false): RunBuilder => {
    const run = struck().of('witness-waiting');
    if (begun) run.picksUp(2);
    return done(run.row({ status: 'cancelled', completedAt: '2026-01-31T12:00:01+00:00' }, who));
  };

  test('that had not begun with it', () => {
    const history = ended(2).end();
    expect(diagnosedAs(history)).toEqual(['failed-at-boot']);
    const values = { incarnation: 2, neighbour: 1, state: 'cancelled' };
    expect(valuesOfDiagnosis(history, 'failed-at-boot')).toEqual(values);
  });

  test('that had, or by the old one, or by nobody that is known: that is another thing', () => {
    for (const run of [ended(2, true), ended(1), ended('somebody')])
      expect(causes(run)).not.toContain('failed-at-boot');
    expect(causes(done(waits(struck())))).toEqual([]);
  });
});

describe('the one behind is refused, as the subject is', () => {
  const refused = (run: RunBuilder): RunBuilder =>
    run.of('witness-waiting').picksUp(2).failed('no slot is left').of('subject');

  test.each(['failed', 'cancelled'] as const)(
    'since the restart, which left something behind: %s',
    (status) => {
      const run = refused(struck().picksUp(2));
      const history = (status === 'failed' ? run.failed('no slot', 2) : run.cancelled(2)).end();
      expect(valuesOfDiagnosis(history, 'slot-left-behind')).toEqual({ status, refused: 1 });
    },
  );

  test('is its own misfortune where the subject completes', () => {
    expect(causes(refused(done(struck())))).not.toContain('slot-left-behind');
  });

  test('says nothing of a subject that has not ended, or is gone', () => {
    expect(causes(refused(struck().picksUp(2)).timesOut())).not.toContain('slot-left-behind');
    expect(causes(refused(struck()).deletes(2))).not.toContain('slot-left-behind');
  });
});
