/** Why progress and retries do not add up. */
import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());
const successor = (run: RunBuilder): RunBuilder => run.strike().gone().starts(2).ready(2);

describe('what was counted', () => {
  test('progress that began again, whether the row was put back or not', () => {
    expect(causes(restarted().picksUp(2, { progress: 0 }).progress(60).completed())).toEqual([
      'progress-reset',
    ]);
    const back = restarted().row({ status: 'pending', progress: 0, startedAt: null }, 2);
    expect(causes(back.picksUp(2).progress(60).completed())).toEqual(['reset-at-boot', 'started-at-reset']);
    const byOld = inFlight({ polite: true }).strike().row({ status: 'pending', progress: 0 }, 1).gone();
    expect(causes(byOld.starts(2).ready(2).picksUp(2).progress(60).completed())).toEqual(['progress-reset']);
    expect(
      valuesOfDiagnosis(restarted().picksUp(2, { progress: 10 }).completed().end(), 'progress-reset'),
    ).toEqual({
      before: 20,
      after: 10,
    });
  });

  test('progress that a new worker forgot at its start, though the old one was still at it', () => {
    const run = inFlight({ polite: true }).starts(2).ready(2).row({ status: 'pending', progress: 0 }, 2);
    expect(causes(run.row({ status: 'processing' }, 1).strike().gone().picksUp(2).completed())).toContain(
      'reset-at-boot',
    );
  });

  test('a row that is put back with all that was done is fine', () => {
    expect(causes(restarted().row({ status: 'pending' }, 2).picksUp(2).progress(60).completed())).toEqual([]);
  });

  test('progress that went down after the end is a write after the end', () => {
    const run = restarted().picksUp(2).completed().progress(40, 2);
    expect(causes(run)).toEqual(['wrote-after-end']);
  });

  test('retries', () => {
    const down = inFlight().row({ retryCount: 2 }, 1).strike().gone().starts(2).picksUp(2, { retryCount: 0 });
    expect(causes(down.completed())).toEqual(['retries-miscounted']);
    expect(causes(restarted().picksUp(2, { maxRetries: 1, retryCount: 2 }).completed())).toContain(
      'retries-miscounted',
    );
    const burnt = (): RunBuilder => restarted().picksUp(2, { retryCount: 2 }).completed();
    expect(causes(burnt())).toEqual(['restarts-burn-retries']);
    expect(valuesOfDiagnosis(burnt().end(), 'restarts-burn-retries')).toEqual({ spent: 2, restarts: 1 });
  });

  test('a backoff that the restart skipped, or a failure that was counted twice', () => {
    const retrying = (retryCount: number): RunBuilder =>
      successor(
        inFlight({ strikeAt: 'retrying', backoff: { baseMs: 1_000, factor: 2 } })
          .row({ status: 'retrying', retryCount }, 1)
          .broker({ state: 'delayed', owner: null }),
      );
    expect(causes(retrying(1).picksUp(2).progress(60).completed())).toEqual(['backoff-lost']);
    expect(causes(retrying(2).wait(9_000).picksUp(2).progress(60).completed())).toEqual([
      'retries-miscounted',
    ]);
    expect(
      causes(
        retrying(1)
          .broker({ state: 'gone', due: { kind: 'never' } })
          .timesOut(),
      ),
    ).toContain('retry-in-memory');
  });
});
