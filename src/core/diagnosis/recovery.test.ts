/** Why nobody took the job up again, or why what was counted does not add up. */
import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';
import { judge } from '../report.ts';

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.end());
}

function valuesOf(run: RunBuilder, id: string): unknown {
  return judge(run.end()).diagnoses.find((diagnosis) => diagnosis.id === id)?.values;
}

const successor = (run: RunBuilder): RunBuilder => run.strike().gone().starts(2).ready(2);

test('taken by one more worker that was started after all: looked for at a boot only', () => {
  const note = (run: RunBuilder): RunBuilder =>
    run.event({ kind: 'note', code: 'next-boot-took-it', text: 'one more worker took it' });
  expect(causes(note(successor(inFlight()).timesOut()))).toContain('loaded-at-boot-only');
  expect(causes(note(successor(inFlight()).timesOut()))).not.toContain('never-reclaimed');
  expect(causes(successor(inFlight()).timesOut())).not.toContain('loaded-at-boot-only');
  expect(causes(note(successor(inFlight()).picksUp(2).progress(60).completed()))).toEqual([]);
});

describe('what was counted', () => {
  test('progress that began again, whether the row was put back or not', () => {
    expect(causes(restarted().picksUp(2, { progress: 0 }).progress(60).completed())).toEqual([
      'progress-reset',
    ]);
    const back = restarted().row({ status: 'pending', progress: 0, startedAt: null }, 2);
    expect(causes(back.picksUp(2).progress(60).completed())).toEqual(['reset-at-boot', 'started-at-reset']);
    const byOld = inFlight({ polite: true }).strike().row({ status: 'pending', progress: 0 }, 1).gone();
    expect(causes(byOld.starts(2).ready(2).picksUp(2).progress(60).completed())).toEqual(['progress-reset']);
    expect(valuesOf(restarted().picksUp(2, { progress: 10 }).completed(), 'progress-reset')).toEqual({
      before: 20,
      after: 10,
    });
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
    expect(valuesOf(burnt(), 'restarts-burn-retries')).toEqual({ spent: 2, restarts: 1 });
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
