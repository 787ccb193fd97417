/** The self-test against vacuity: the reference worker of each queue, in each scenario, with the fault left out. */
import { SCENARIOS } from '../../core/scenario.ts';
import type { CorpusRow, TargetKind } from './row.ts';
import { ROWS } from './rows.ts';

/** @param isHere the targets to try; a run of these rows must be `disarmed`, and comes out inconclusive */
export function disarmedRows(isHere: (target: TargetKind) => boolean): readonly CorpusRow[] {
  return ROWS.filter(({ name, target }) => name === 'reference' && isHere(target)).flatMap((row) =>
    Object.keys(SCENARIOS).map((scenario) => ({
      ...row,
      name: `disarmed ${scenario}`,
      scenario,
      expect: { verdict: 'inconclusive' as const },
      note: 'the fault is left out',
    })),
  );
}
