/** Children of a worker, and of a job. */
import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());

describe('a child that was killed', () => {
  function killed(reach: 'child' | 'tree'): readonly string[] {
    const run = inFlight().strike('SIGKILL', reach).broker({ state: 'dead', owner: null });
    return diagnosedAs(run.gone().starts(2).ready(2).timesOut().end());
  }

  test('was reported as the end of the job by its parent', () => {
    expect(killed('child')).toEqual(['child-death-acked']);
    expect(killed('tree')).toEqual(['broker-gave-up-row-not-told']);
  });
});
