/**
 * The row is there in every observation from its creation to the end.
 *
 * Why: a job that is deleted and made anew by a recovery is a job whose history is lost, and one that is gone is lost.
 * What would fool it: looking once at the end (a row that was deleted and inserted again is there), or not at all
 * after the restart. So every recorded version counts, and there must be an observation after the restart.
 * It speaks of observations: with the trigger these are all versions; under polling they are the looks, and the finding
 * says that a row which was away between two of them is not claimed to have been there.
 */
import { finding } from '../findings.ts';
import { isBefore } from '../history.ts';
import { judgement, type Criterion } from './criterion.ts';

export const jobPersisted: Criterion = {
  id: 'job-persisted',
  title: 'stayed in the database',
  judge(history, facts) {
    const { versions, begun } = facts;
    const missing = versions.find((version) => version.values === null);
    if (missing !== undefined) {
      const incarnation = facts.attribute(missing)?.incarnation ?? null;
      return judgement('failed', finding('row-gone', { atMs: missing.atMs, incarnation }));
    }
    if (versions.length === 0) {
      return judgement('inconclusive', finding('never-observed', { job: facts.job ?? 'none' }));
    }
    if (begun !== undefined && !versions.some((version) => isBefore(begun, version))) {
      return judgement('inconclusive', finding('not-looked-at-after-restart'));
    }
    const incomplete = history
      .of('observer:checked')
      .find((event) => event.job === facts.job && !event.complete);
    if (incomplete !== undefined) {
      return judgement('inconclusive', finding('observation-incomplete', { versions: incomplete.versions }));
    }
    const source = history.of('observer:started').at(-1)?.source ?? 'poll';
    const count = facts.changes.length;
    const late = history
      .of('job:created')
      .some((event) => event.job === facts.job && event.followedLate === true);
    if (late && source === 'trigger') {
      const seen = finding('row-in-every-observation', { versions: count, source: 'poll' });
      return judgement('passed', seen, finding('followed-late'));
    }
    const seen = finding('row-in-every-observation', { versions: count, source });
    return source === 'trigger'
      ? judgement('passed', seen)
      : judgement(
          'passed',
          seen,
          finding('observed-by-polling', { unseen: 'a row that was away between two looks' }),
        );
  },
};
