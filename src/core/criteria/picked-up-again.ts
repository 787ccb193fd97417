/**
 * A worker that started after the restart worked on the job.
 *
 * Why: it is the promise itself: the job survives because somebody takes it up.
 * What would fool it: the old worker finishing during a polite stop (a drain), an orphaned child of it finishing, a
 * recovery that only rewrites the status, a redelivery whose handler returns at once from its own guard. So the
 * proof is a write of a later incarnation that shows work; or, where writes cannot be attributed, a new task id or a
 * further delivery that the broker counted and that a change of the row followed.
 * What it cannot see: with polling and a broker that counts nothing, who made a change; then it rests on the proof
 * that every process of the old worker was gone.
 */
import { finding, type Finding } from '../findings.ts';
import { lastSnapshotBefore } from '../history.ts';
import { wasInFlight, type RestartFacts } from '../restart.ts';
import { isTerminal } from '../event.ts';
import { describeBroker, dueAfter } from '../broker-words.ts';
import { isDrain } from './restart-observed.ts';
import { judgement, type Criterion } from './criterion.ts';

export const pickedUpAgain: Criterion = {
  id: 'picked-up-again',
  title: 'a new worker picked the job up again',
  judge(history, facts) {
    const { begun } = facts;
    if (begun === undefined) return judgement('inconclusive', finding('no-restart'));
    const { takeOver } = facts;
    if (takeOver !== undefined) {
      const { version, attribution } = takeOver;
      const afterMs = version.atMs - begun.atMs;
      return judgement('passed', finding('picked-up-by-write', { ...attribution, afterMs }));
    }
    if (isDrain(history, facts)) return judgement('skipped', finding('drained-so-not-exercised'));
    if (!wasInFlight(facts) || endedByOldWorker(facts)) {
      return judgement('inconclusive', finding('nothing-to-pick-up'));
    }
    const byTask = newTask(facts, begun);
    if (byTask !== undefined) return judgement('passed', byTask);

    const before = facts.brokerBefore;
    const now = lastSnapshotBefore(facts.snapshots);
    const handedOutAgain =
      before?.deliveries != null && now?.deliveries != null && now.deliveries > before.deliveries;
    const changed = facts.changes.filter(
      (version) =>
        facts.gone !== undefined && version.seq > facts.gone.seq && version.artefactOfHold !== true,
    );
    if (handedOutAgain && changed.length > 0 && now !== undefined && now.deliveries !== null) {
      const afterMs = now.atMs - begun.atMs;
      return judgement('passed', finding('picked-up-by-broker', { deliveries: now.deliveries, afterMs }));
    }
    const unattributed = changed.filter((version) => facts.attribute(version) === null);
    if (unattributed.length > 0) {
      return judgement('inconclusive', finding('unattributed-writes', { writes: unattributed.length }));
    }
    const due = dueAfter(history, now);
    if (due !== undefined) return judgement('inconclusive', finding('not-due-yet', { due }));
    if (handedOutAgain && now.deliveries !== null) {
      return judgement('failed', finding('handed-out-without-work', { deliveries: now.deliveries }));
    }
    const afterMs = (history.events.at(-1)?.atMs ?? begun.atMs) - begun.atMs;
    return judgement('failed', finding('nobody-picked-up', { afterMs, broker: describeBroker(now) }));
  },
};

function endedByOldWorker(facts: RestartFacts): boolean {
  if (facts.terminal === undefined || facts.begun === undefined) return false;
  const incarnation = facts.attribute(facts.terminal)?.incarnation;
  return facts.terminal.seq < facts.begun.seq || incarnation === facts.struck;
}

/** A task id that appeared after the old worker was gone: somebody claimed the job anew. */
function newTask(facts: RestartFacts, begun: { readonly atMs: number }): Finding | undefined {
  const { gone } = facts;
  const before = facts.before?.taskId;
  if (gone === undefined || before === null || before === undefined) return undefined;
  const claimed = facts.changes.find(
    (version) =>
      version.seq > gone.seq &&
      version.artefactOfHold !== true &&
      version.values !== null &&
      version.values.taskId != null &&
      version.values.taskId !== before &&
      (version.values.state === 'processing' || isTerminal(version.values.state)) &&
      facts.attribute(version)?.incarnation !== facts.struck,
  );
  if (claimed?.values?.taskId == null) return undefined;
  return finding('picked-up-by-task', {
    before,
    after: claimed.values.taskId,
    afterMs: claimed.atMs - begun.atMs,
  });
}
