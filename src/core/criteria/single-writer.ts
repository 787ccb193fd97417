/**
 * Once a new claim has written, no write of an older claim lands.
 *
 * Why: a worker that was frozen, cut off or given up, and a child that outlived its parent, overwrite what their
 * successor has done.
 * How: two signs. The writer: a write of an earlier incarnation after a later one, unless it claims the job anew (a
 * thawed worker may, with a token that was never there before). The claim: a task id or owner that comes back after
 * another had taken its place, which also tells two runs within one process; unless the job was free in between, when
 * a worker that claims by its name may rightly claim again.
 * What would fool it: taking one process for one writer; taking a new claim of an old worker for a zombie.
 * What it cannot see: who wrote, under polling or behind a pooler. Then the claims alone are judged; and where the old
 * worker could still be alive (every scenario but a crash whose processes were seen to end) that is not enough. Under
 * polling nor a write that another one followed at once; so it passes with the trigger alone.
 */
import type { RowValues } from '../event.ts';
import { finding } from '../findings.ts';
import { isBefore, rowBefore, type RowVersion } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import { judgement, passedIfAllWasSeen, type Criterion } from './criterion.ts';

export const singleWriter: Criterion = {
  id: 'single-writer',
  title: 'one writer at a time',
  judge(history, facts) {
    const returned = claimThatReturned(facts);
    if (returned !== undefined) return judgement('failed', returned);
    let newest = 0;
    let unattributed = 0;
    const claims = new Set<string>();
    const claimOf = claimsOf(facts);
    for (const version of writesOfWorkers(facts)) {
      const attribution = facts.attribute(version);
      const claim = claimOf(version.values);
      const fresh = claim !== null && !claims.has(claim);
      if (claim !== null) claims.add(claim);
      if (attribution === null || isByTheDead(facts, version)) {
        unattributed += 1;
        continue;
      }
      if (attribution.incarnation < newest && !fresh) {
        return judgement(
          'failed',
          finding('older-wrote-after-newer', {
            older: attribution.incarnation,
            newer: newest,
            status: version.values?.status ?? '',
          }),
        );
      }
      // Whoever claims anew is the newest from then on, also an older worker.
      newest = attribution.incarnation;
    }
    if (unattributed === 0) {
      const inOrder = finding('writers-in-order', { claims: claims.size });
      return passedIfAllWasSeen(history, 'a write that was overwritten at once', inOrder);
    }
    const dead = facts.gone?.proof === 'processes' && facts.faults[0]?.signal === 'SIGKILL';
    return judgement(
      dead ? 'skipped' : 'inconclusive',
      finding('unattributed-writes', { writes: unattributed }),
    );
  },
};

/**
 * Taken for the old worker's by the age of its connection alone, though its processes and connections had been seen to
 * end: then the connection is another's (a service that finishes jobs, say). `restart-observed` doubts it.
 */
function isByTheDead(facts: RestartFacts, version: RowVersion): boolean {
  const { gone } = facts;
  if (gone === undefined || isBefore(version, gone)) return false;
  const attribution = facts.attribute(version);
  if (attribution?.by !== 'connection' || attribution.incarnation !== facts.struck) return false;
  return gone.proof === 'processes' && gone.connectionsGone;
}

/** The versions that a worker wrote: not the harness's insert, and not what the hold let through. */
function writesOfWorkers(facts: RestartFacts): readonly RowVersion[] {
  return facts.changes.filter(
    (version) =>
      version.operation !== 'insert' && version.values !== null && !facts.artefacts.has(version.seq),
  );
}

/** What tells one claim from another in this table: the owner where there ever is one, else the task id. */
function claimsOf(facts: RestartFacts): (values: RowValues | null | undefined) => string | null {
  const owned = facts.changes.some(({ values }) => values?.owner != null);
  return (values) => (owned ? values?.owner : values?.taskId) ?? null;
}

function claimThatReturned(facts: RestartFacts) {
  const claimOf = claimsOf(facts);
  const replaced = new Set<string | null>();
  let current: string | null = null;
  for (const version of writesOfWorkers(facts)) {
    const claim = claimOf(version.values);
    // An emptied claim (a hand-back) ends it without putting another in its place.
    if (claim === null || claim === current) continue;
    const previous = rowBefore(facts.changes, version.seq);
    const wasHeld = previous?.state === 'processing' && claimOf(previous) === current;
    if (replaced.has(claim) && wasHeld)
      return finding('older-claim-returned', { claim, after: current ?? '' });
    replaced.add(current);
    current = claim;
  }
  return undefined;
}
