/**
 * Progress never goes down.
 *
 * Why: a bar that jumps back tells people that work was lost, and often it was.
 * What would fool it: looking only before and after (a reset between two looks that was made up for).
 * A worker that rightly begins again from the start, with idempotent effects, fails here by default: where the effects
 * are known to be whole, the finding names the line of configuration that makes this advisory.
 * What it cannot see: under polling, a dip between two looks. So it passes with the trigger alone.
 */
import { finding } from '../findings.ts';
import { effectsOf } from '../effects.ts';
import { judgement, passedIfAllWasSeen, type Criterion } from './criterion.ts';

export const progressMonotonic: Criterion = {
  id: 'progress-monotonic',
  title: 'progress never went down',
  judge(history, facts) {
    const observed = facts.changes.filter((version) => version.values?.progress !== undefined);
    if (observed.length === 0) return judgement('skipped', finding('no-progress-column'));
    let highest: number | null = null;
    for (const version of observed) {
      const progress = version.values?.progress ?? null;
      if (highest !== null && (progress ?? -1) < highest) {
        const incarnation = facts.attribute(version)?.incarnation ?? null;
        const dip = finding('progress-went-down', { before: highest, after: progress, incarnation });
        const effects = effectsOf(history, facts.job);
        const whole =
          effects !== undefined &&
          !effects.unknown &&
          effects.missing.length === 0 &&
          effects.repeated.length === 0;
        return whole ? judgement('failed', dip, finding('effects-are-whole')) : judgement('failed', dip);
      }
      highest = progress;
    }
    const rose = finding('progress-rose', { highest: highest ?? 0 });
    return passedIfAllWasSeen(history, 'a dip between two looks', rose);
  },
};
