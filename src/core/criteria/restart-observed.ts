/**
 * The fault reached the worker that was processing the job while the job was in flight, and that worker went away.
 *
 * Why: without it every other criterion passes for the wrong reason. So this one is never failed: what it does not
 * see proved makes the run inconclusive.
 *
 * What has to be shown, all of it:
 * 1. there was a restart (a fault that was not disarmed and that hit somebody, or a person's), and the job was in
 *    flight when it began;
 * 2. whoever wrote last before it belongs to the worker that was struck;
 * 3. that worker is gone: every process of its tree, or, where processes cannot be seen, its connections; and nothing
 *    of it wrote on after it was killed, or writes any more, nor does anybody unseen while no worker of the harness's is
 *    there;
 * 4. the old worker did not end the job. Where the scenario is a polite one it may (a drain), and the report says so;
 *    where it is a crash, a job that the old worker ended or handed back was not crashed;
 * 5. a new worker was started or seen. That it lived is not asked for here: one that dies at once is what the job has
 *    to survive, and is said.
 *
 * What would fool it: an operator's Enter, a stop command that exits 0, a wrapper that took the signal, a child with a
 * session of its own, a job that ended a moment before the kill, a worker that had died before the fault, a worker
 * whose connection to the broker was merely made anew.
 */
import { writesAfterKill } from '../after-kill.ts';
import { describeBroker } from '../broker-words.ts';
import { finding, type Finding } from '../findings.ts';
import { isTerminal } from '../event.ts';
import { isBefore, isHeldInBroker, NEVER, rowBefore, type History } from '../history.ts';
import { newcomerOf, type Newcomer } from '../newcomer.ts';
import { endedByOldWorker, isDrain, writesAfterGone, type RestartFacts } from '../restart.ts';
import { isSeenItself } from '../take-over.ts';
import { judgement, type Criterion } from './criterion.ts';

type Begun = NonNullable<RestartFacts['begun']>;
type Gone = NonNullable<RestartFacts['gone']>;

export const restartObserved: Criterion = {
  id: 'restart-observed',
  title: 'restart hit it in flight',
  judge(history, facts) {
    const { begun, gone, terminal } = facts;
    if (facts.disarmed !== undefined) {
      return judgement('inconclusive', finding('fault-disarmed', { fault: facts.disarmed.fault }));
    }
    if (facts.endedBefore) {
      const state = terminal?.values.state ?? 'unknown';
      return judgement('inconclusive', finding('ended-before-strike', { state }));
    }
    if (begun === undefined) return judgement('inconclusive', finding('no-restart'));
    const doubt =
      doubtOfFlight(facts) ??
      doubtOfFault(history, facts, begun) ??
      doubtOfHolder(history, facts, begun) ??
      facts.holdDoubt;
    if (doubt !== undefined) return judgement('inconclusive', doubt);
    if (gone === undefined) return judgement('inconclusive', notGone(facts));
    const laterDoubt = doubtOfGoing(history, facts, gone) ?? doubtOfEnd(facts, begun, gone);
    if (laterDoubt !== undefined) return judgement('inconclusive', laterDoubt);
    const newcomer = newcomerOf(facts);
    if (newcomer === undefined) return judgement('inconclusive', finding('no-new-worker'));
    return judgement('passed', ...proofs(facts, begun, gone, newcomer));
  },
};

function doubtOfFlight(facts: RestartFacts): Finding | undefined {
  if (facts.inFlight) return undefined;
  return finding('not-in-flight', {
    state: facts.before === undefined ? 'unknown' : (facts.before?.state ?? 'gone'),
    broker: describeBroker(facts.brokerBefore),
  });
}

/** A signal that went to nobody, because the worker had ended by itself, is no fault. */
function doubtOfFault(history: History, facts: RestartFacts, begun: Begun): Finding | undefined {
  const { struck: incarnation } = facts;
  const exited = history
    .of('worker:exited')
    .find((event) => event.incarnation === incarnation && !event.expected && isBefore(event, begun));
  const fault = facts.faults[0];
  if (exited === undefined && (fault === undefined || fault.signal === null || fault.pids.length > 0)) {
    return undefined;
  }
  const how =
    exited === undefined ? 'no process of it was found' : (exited.signal ?? `exit code ${exited.exitCode}`);
  return finding('nobody-was-struck', { incarnation, how });
}

function doubtOfHolder(history: History, facts: RestartFacts, begun: Begun): Finding | undefined {
  const lastWrite = facts.changes.findLast(
    (version) => isBefore(version, begun) && version.values?.state === 'processing',
  );
  const attribution = lastWrite === undefined ? null : facts.attribute(lastWrite);
  if (attribution?.incarnation === facts.struck) return undefined;
  if (attribution !== null) {
    const { applicationName, backendPid } = lastWrite?.writer ?? {};
    return finding('holder-not-struck', {
      writer: `${applicationName || 'unnamed'} (backend ${backendPid ?? 'unknown'})`,
      incarnation: facts.struck,
    });
  }
  // The writer is not seen (polling, a pooler, one transaction for the whole job). In the harness's own hands only one
  // worker consumed the queue; in a person's, the holder must have been found out.
  const known = facts.by === 'auto' || history.of('holder:identified').some((event) => event.main !== null);
  return known ? undefined : finding('holder-unknown');
}

function notGone({ struck, stillThere: there }: RestartFacts): Finding {
  if (there === undefined) return finding('worker-not-seen-gone', { incarnation: struck });
  return finding('worker-still-there', {
    incarnation: there.incarnation,
    pids: there.pids.join(', '),
    connections: there.connections.join(', '),
  });
}

function doubtOfGoing(history: History, facts: RestartFacts, gone: Gone): Finding | undefined {
  const { struck: incarnation } = facts;
  // A worker that only lost its connection to the broker is "replaced" there by itself; its database connection tells.
  if (gone.proof === 'connections' && !gone.connectionsGone && !facts.connectionsUnseen) {
    return finding('connection-lives-on', { incarnation });
  }
  const late = writesAfterGone(facts)[0];
  if (late !== undefined) return finding('write-after-gone', { incarnation, atMs: late.atMs });
  const goingOn = writesAfterKill(history, facts).length;
  if (goingOn > 0) return finding('work-after-kill', { incarnation, writes: goingOn });
  const writes = workOfNobody(facts, gone);
  if (writes > 0) return finding('written-undelivered', { writes });
  const alone = workWithNobodyThere(history, facts, gone);
  return alone === 0 ? undefined : finding('written-by-nobody', { writes: alone });
}

/** What the dead had sent may take as long to land, and to be shown. */
const LANDED_AFTER_GONE_MS = 500;

/** Changes of which is not seen who made them, at a time when no worker of the harness's was there. */
function workWithNobodyThere(history: History, facts: RestartFacts, gone: Gone): number {
  if (facts.by !== 'auto') return 0;
  const started = history.of('worker:started').find((event) => isBefore(gone, event)) ?? NEVER;
  return facts.changes.filter((version) => {
    if (isBefore(version, gone) || isBefore(started, version)) return false;
    if (version.atMs < gone.atMs + LANDED_AFTER_GONE_MS) return false;
    const before = rowBefore(facts.changes, version.seq);
    const further = (version.values?.progress ?? 0) > (before?.progress ?? 0);
    const ended = version.values !== null && isTerminal(version.values.state);
    return (further || ended) && !isSeenItself(facts.attribute(version));
  }).length;
}

/** Files done, by whom is not seen, while the broker had not handed the job out again: nobody new had it. */
function workOfNobody(facts: RestartFacts, gone: Gone): number {
  return facts.changes.filter((version) => {
    if (isBefore(version, gone) || version.values?.state !== 'processing') return false;
    const done = (version.values.progress ?? 0) > (rowBefore(facts.changes, version.seq)?.progress ?? 0);
    return done && !isSeenItself(facts.attribute(version)) && facts.isUndelivered(version);
  }).length;
}

function doubtOfEnd(facts: RestartFacts, begun: Begun, gone: Gone): Finding | undefined {
  const { terminal, struck: incarnation } = facts;
  if (terminal !== undefined) {
    const { state } = terminal.values;
    if (isBefore(terminal, gone) && facts.attribute(terminal) === null) {
      return finding('ended-while-stopping', { state });
    }
    if (!facts.polite && endedByOldWorker(facts))
      return finding('ended-by-old-worker', { state, incarnation });
  }
  if (facts.polite || !isHandedBack(facts, begun, gone)) return undefined;
  return finding('handed-back-politely', { incarnation });
}

/** By the row, or by the broker: a lock that has not run out is not given back by the dead. */
function isHandedBack(facts: RestartFacts, begun: Begun, gone: Gone): boolean {
  const { brokerBefore, brokerAfterGone } = facts;
  const inRow = facts.changes.some((version) => {
    if (isBefore(version, begun) || version.values?.state !== 'pending') return false;
    if (facts.before?.state === 'pending') return false;
    const attribution = facts.attribute(version);
    return attribution === null ? isBefore(version, gone) : attribution.incarnation === facts.struck;
  });
  // Nor does a message come back by itself where living workers alone put messages back, and none was there.
  const inBroker =
    isHeldInBroker(brokerBefore) &&
    brokerAfterGone?.state === 'waiting' &&
    ((brokerBefore?.lockUntilMs ?? 0) > brokerAfterGone.atMs ||
      brokerAfterGone.facts?.['workersConnected'] === 0);
  return inRow || inBroker;
}

function proofs(facts: RestartFacts, begun: Begun, gone: Gone, newcomer: Newcomer): readonly Finding[] {
  const { terminal, successorDied } = facts;
  const sinceMs = facts.struckAtMs ?? begun.atMs;
  const state = facts.before?.state ?? 'unknown';
  const fault = facts.faults[0];
  // Between the asking and the deed of a person, what is not held goes on.
  const struck = fault === undefined ? (facts.afterGone?.values ?? facts.before) : facts.before;
  const progress = struck?.progress ?? null;
  const evidence: Finding[] = [
    fault === undefined
      ? finding('restarted-in-flight', { incarnation: facts.struck, state, progress })
      : finding('struck-in-flight', { fault: fault.fault, incarnation: facts.struck, state, progress }),
  ];
  if (state !== 'processing' && isHeldInBroker(facts.brokerBefore)) {
    evidence.push(finding('in-flight-by-broker', { owner: facts.brokerBefore?.owner ?? 'a worker' }));
  }
  const { proof, connectionsGone } = gone;
  const afterMs = gone.atMs - sinceMs;
  evidence.push(finding('worker-gone', { incarnation: gone.incarnation, proof, connectionsGone, afterMs }));
  if (isDrain(facts)) {
    const endedAs = terminal?.values.state ?? 'unknown';
    evidence.push(finding('drained', { incarnation: facts.struck, state: endedAs }));
  }
  evidence.push(
    successorDied === undefined
      ? finding('new-worker', {
          incarnation: newcomer.incarnation,
          afterMs: Math.max(0, newcomer.atMs - sinceMs),
        })
      : finding('new-worker-died', {
          incarnation: successorDied.incarnation,
          how: successorDied.signal ?? `exit code ${successorDied.exitCode}`,
          afterMs: Math.max(0, successorDied.atMs - sinceMs),
        }),
  );
  return evidence;
}
