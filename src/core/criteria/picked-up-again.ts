/**
 * A worker that started after the restart worked on the job.
 *
 * Why: it is the promise itself: the job survives because somebody takes it up.
 * What would fool it: the old worker finishing during a polite stop (a drain), an orphaned child of it finishing, a
 * recovery that only rewrites the status, a redelivery whose handler returns at once from its own guard. So the
 * proof is a write of a later incarnation that shows work (see `take-over.ts`); or, where writes cannot be attributed
 * or show too little, a new task id, or a further delivery by the broker's count together with a write.
 * That nobody took it up is only proved when the old worker was seen to go and a new one to come, the run was watched to
 * its end, and the broker had nothing left that was still to fall due.
 * What it cannot see: with polling and a broker that counts nothing, who made a change; then it rests on the proof
 * that every process of the old worker was gone.
 */
import { finding, type Finding } from '../findings.ts';
import { isBefore, lastSnapshotBefore, unmappedStatus, type RowVersion } from '../history.ts';
import { describeBroker } from '../broker-words.ts';
import { hasNobodyCome } from '../newcomer.ts';
import { dueAfterEnd, findRedelivery, isGivenUpForStalls } from '../redelivery.ts';
import { endedByOldWorker, isDrain, type RestartFacts } from '../restart.ts';
import { isSeenItself, kindOfVersion, type WriteKind } from '../take-over.ts';
import type { Judgement } from '../verdict.ts';
import { endTooSoon, soonerThanControl } from '../work-time.ts';
import { judgement, type Criterion } from './criterion.ts';

export const pickedUpAgain: Criterion = {
  id: 'picked-up-again',
  title: 'picked up by a new worker',
  judge(history, facts) {
    const { takeOver, gone, terminal, struckAtMs } = facts;
    if (struckAtMs === undefined) return judgement('inconclusive', finding('no-restart'));
    const tooSoon = endTooSoon(history, facts);
    if (tooSoon !== undefined) {
      const incarnation = facts.attribute(tooSoon)?.incarnation ?? null;
      const { state } = tooSoon.values;
      return judgement('inconclusive', finding('ended-too-soon', { state, incarnation }));
    }
    const sooner = soonerThanControl(history, facts);
    if (sooner !== undefined) return judgement('inconclusive', finding('ended-sooner-than-control', sooner));
    if (takeOver !== undefined) {
      const { version, attribution } = takeOver;
      const afterMs = Math.max(0, version.atMs - struckAtMs);
      return judgement('passed', finding('picked-up-by-write', { ...attribution, afterMs }));
    }
    if (isDrain(facts)) return judgement('skipped', finding('drained-so-not-exercised'));
    if (!facts.inFlight || endedByOldWorker(facts)) {
      return judgement('inconclusive', finding('nothing-to-pick-up'));
    }
    if (gone === undefined) {
      return judgement('inconclusive', finding('worker-not-seen-gone', { incarnation: facts.struck }));
    }
    if (terminal !== undefined && isBefore(terminal, gone)) {
      // By whom is not known, or it would be a drain, the old worker's or a take-over.
      return judgement('inconclusive', finding('ended-while-stopping', { state: terminal.values.state }));
    }
    const proof = newTask(facts, gone, struckAtMs) ?? furtherDelivery(facts, gone, struckAtMs);
    if (proof !== undefined) return judgement('passed', proof);
    if (facts.holdDoubt !== undefined) return judgement('inconclusive', facts.holdDoubt);
    const weak = weakSigns(facts, gone);
    if (weak !== undefined) return weak;
    const status = unmappedWrite(facts, gone);
    if (status !== undefined) return judgement('inconclusive', finding('status-not-mapped', { status }));
    if (!facts.observedToEnd) return judgement('inconclusive', finding('history-breaks-off'));
    const due = dueAfterEnd(history, facts);
    if (due !== undefined) return judgement('inconclusive', finding('not-due-yet', { due }));
    if (hasNobodyCome(facts)) return judgement('inconclusive', finding('no-new-worker'));
    const again = findRedelivery(facts);
    if (again?.deliveries != null) {
      return judgement('failed', finding('handed-out-without-work', { deliveries: again.deliveries }));
    }
    const afterMs = (history.events.at(-1)?.atMs ?? struckAtMs) - struckAtMs;
    const broker = describeBroker(lastSnapshotBefore(facts.snapshots));
    return judgement('failed', finding('nobody-picked-up', { afterMs, broker }));
  },
};

type Gone = NonNullable<RestartFacts['gone']>;

/** A status that may mean work, written after the old worker had gone. */
function unmappedWrite(facts: RestartFacts, gone: Gone): string | undefined {
  return facts.changes
    .filter((version) => isBefore(gone, version))
    .map(({ values }) => unmappedStatus(values))
    .find((status) => status !== undefined);
}

interface LateWrite {
  readonly version: RowVersion;
  readonly kind: WriteKind;
}

/** What was written after the old worker had gone, and not by it. */
function lateWrites(facts: RestartFacts, gone: Gone): readonly LateWrite[] {
  return facts.changes
    .filter((version) => isBefore(gone, version) && facts.attribute(version)?.incarnation !== facts.struck)
    .map((version) => ({ version, kind: kindOfVersion(facts, version) }))
    .filter(({ kind }) => kind !== 'none');
}

/** … those left out that are surely no worker's of this run. */
function workersWrites(facts: RestartFacts, gone: Gone): readonly LateWrite[] {
  return lateWrites(facts, gone).filter(
    ({ version }) => !facts.writersKnown || facts.attribute(version) !== null,
  );
}

/** A task id that appeared after the old worker was gone: somebody claimed the job anew. */
function newTask(facts: RestartFacts, gone: Gone, sinceMs: number): Finding | undefined {
  const before = facts.before?.taskId;
  if (before == null) return undefined;
  for (const { version } of workersWrites(facts, gone)) {
    const after = version.values?.taskId;
    if (after != null && after !== before) {
      return finding('picked-up-by-task', { before, after, afterMs: version.atMs - sinceMs });
    }
  }
  return undefined;
}

/**
 * The broker counted a further delivery, and a write came with it: one that came before the delivery does not count,
 * nor one that may, because its worker was still starting.
 */
function furtherDelivery(facts: RestartFacts, gone: Gone, sinceMs: number): Finding | undefined {
  const again = findRedelivery(facts);
  if (again?.deliveries == null) return undefined;
  // What the queue gives up because it stalled is counted as handed out too, and its end is told without any work.
  const givenUp = isGivenUpForStalls(lastSnapshotBefore(facts.snapshots));
  const worked = workersWrites(facts, gone).find(
    ({ version, kind }) =>
      !(givenUp && kind === 'end') && !facts.isUndelivered(version) && !facts.isBeforeReady(version),
  );
  if (worked === undefined) return undefined;
  return finding('picked-up-by-broker', {
    deliveries: again.deliveries,
    afterMs: worked.version.atMs - sinceMs,
  });
}

/** Writes that may be work and don't show it, and ends that nobody worked for. */
function weakSigns(facts: RestartFacts, gone: Gone): Judgement | undefined {
  const writes = lateWrites(facts, gone);
  const end = writes.find(({ kind }) => kind === 'end')?.version;
  if (end !== undefined) {
    const state = end.values?.state ?? 'unknown';
    const incarnation = facts.attribute(end)?.incarnation ?? null;
    if (state === 'cancelled') return judgement('inconclusive', finding('cancelled-by-others'));
    // The broker still had it, undelivered, when the row had ended: whoever ended it did not work on it.
    return facts.isUndelivered(end)
      ? judgement('failed', finding('ended-unworked', { state, incarnation }))
      : judgement('inconclusive', finding('ended-without-work-shown', { state, incarnation }));
  }
  const unattributed = writes.filter(({ version }) => facts.attribute(version) === null);
  if (unattributed.length > 0) {
    return judgement('inconclusive', finding('unattributed-writes', { writes: unattributed.length }));
  }
  const undelivered = writes.filter(
    ({ version, kind }) =>
      kind === 'work' && !isSeenItself(facts.attribute(version)) && facts.isUndelivered(version),
  );
  if (undelivered.length > 0) {
    return judgement('inconclusive', finding('written-undelivered', { writes: undelivered.length }));
  }
  // All other work that is attributed is a take-over.
  const [touch] = writes;
  const incarnation = touch === undefined ? undefined : facts.attribute(touch.version)?.incarnation;
  return incarnation === undefined
    ? undefined
    : judgement('inconclusive', finding('only-touched', { incarnation }));
}
