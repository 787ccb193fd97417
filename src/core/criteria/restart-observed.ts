/**
 * The fault reached the worker that was processing the job while the job was in flight, and that worker went away.
 *
 * Why: without it every other criterion passes for the wrong reason. So this one is never failed: what it does not
 * see proved makes the run inconclusive.
 *
 * What has to be shown, all of it:
 * 1. there was a restart (a fault that was not disarmed, or a person's), and the job was in flight when it began;
 * 2. whoever wrote last before it belongs to the worker that was struck;
 * 3. that worker is gone: every process of its tree, or, where processes cannot be seen, its connections; and nothing
 *    of it writes any more;
 * 4. the old worker did not end the job. Where the scenario is a polite one it may (a drain), and the report says so;
 *    where it is a crash, a job that the old worker ended or handed back was not crashed;
 * 5. a new worker is there.
 *
 * What would fool it: an operator's Enter, a stop command that exits 0, a wrapper that took the signal, a child with a
 * session of its own, a job that ended a moment before the kill.
 */
import { describeBroker } from '../broker-words.ts';
import { finding, type Finding } from '../findings.ts';
import { first, type History } from '../history.ts';
import { wasInFlight, writesAfterGone, type RestartFacts } from '../restart.ts';
import { judgement, type Criterion } from './criterion.ts';

export const restartObserved: Criterion = {
  id: 'restart-observed',
  title: 'the restart hit the job in flight',
  judge(history, facts) {
    const { begun } = facts;
    if (facts.disarmed !== undefined) {
      return judgement('inconclusive', finding('fault-disarmed', { fault: facts.disarmed.fault }));
    }
    const endedBefore =
      facts.terminal !== undefined && (begun === undefined || facts.terminal.seq < begun.seq);
    if (endedBefore && facts.terminal?.values != null) {
      return judgement(
        'inconclusive',
        finding('ended-before-strike', { state: facts.terminal.values.state }),
      );
    }
    if (begun === undefined) return judgement('inconclusive', finding('no-restart'));
    const doubt =
      doubtOfFlight(facts) ??
      doubtOfHolder(history, facts) ??
      doubtOfHold(history, facts) ??
      doubtOfGoing(facts) ??
      doubtOfEnd(history, facts) ??
      doubtOfSuccessor(facts);
    if (doubt !== undefined) return judgement('inconclusive', doubt);
    return judgement('passed', ...proofs(history, facts, begun));
  },
};

/** The old worker got the signal in flight, finished the job and left: a proper end of the polite scenarios. */
export function isDrain(history: History, facts: RestartFacts): boolean {
  const { terminal, begun, gone } = facts;
  if (terminal?.values == null || begun === undefined || gone === undefined) return false;
  return (
    isPolite(history) && terminal.seq > begun.seq && facts.attribute(terminal)?.incarnation === facts.struck
  );
}

function doubtOfFlight(facts: RestartFacts): Finding | undefined {
  if (wasInFlight(facts)) return undefined;
  return finding('not-in-flight', {
    state: facts.before?.state ?? 'gone',
    broker: describeBroker(facts.brokerBefore),
  });
}

function doubtOfHolder(history: History, facts: RestartFacts): Finding | undefined {
  const { begun } = facts;
  if (begun === undefined) return undefined;
  const writes = facts.changes.filter(
    (version) => version.seq < begun.seq && version.values !== null && version.values.state === 'processing',
  );
  const lastWrite = writes.at(-1);
  if (lastWrite?.writer === undefined) {
    // Polling, or one transaction for the whole job: the writer is not seen. In the harness's own hands only one worker
    // consumed the queue; in a person's, the holder must have been found out.
    const known = facts.by === 'auto' || history.of('holder:identified').some((event) => event.main !== null);
    return known ? undefined : finding('holder-unknown');
  }
  const attribution = facts.attribute(lastWrite);
  if (attribution?.incarnation === facts.struck) return undefined;
  return finding('holder-not-struck', {
    writer: `${lastWrite.writer.applicationName || 'unnamed'} (backend ${lastWrite.writer.backendPid})`,
    incarnation: facts.struck,
  });
}

function doubtOfHold(history: History, facts: RestartFacts): Finding | undefined {
  const broken = history.of('hold:broken')[0];
  if (broken !== undefined) return finding('hold-broken', { reason: broken.reason });
  if (history.of('hold:placed').length === 0) return undefined;
  // The hold must never make a healthy system fail: an error that a lock or statement time-out explains is ours.
  const hurt = facts.changes.find((version) =>
    /lock timeout|could not obtain lock|(?:statement|transaction) timeout|55P03|57014/i.test(
      version.values?.error ?? '',
    ),
  );
  return hurt?.values?.error == null
    ? undefined
    : finding('hold-hurt', { error: hurt.values.error.slice(0, 200) });
}

function doubtOfGoing(facts: RestartFacts): Finding | undefined {
  if (facts.gone === undefined) {
    const there = facts.stillThere;
    if (there === undefined) return finding('worker-not-seen-gone', { incarnation: facts.struck });
    return finding('worker-still-there', {
      incarnation: there.incarnation,
      pids: there.pids.join(', '),
      connections: there.connections.join(', '),
    });
  }
  const late = writesAfterGone(facts)[0];
  return late === undefined
    ? undefined
    : finding('write-after-gone', { incarnation: facts.struck, atMs: late.atMs });
}

function doubtOfEnd(history: History, facts: RestartFacts): Finding | undefined {
  const { terminal, begun, gone } = facts;
  if (begun === undefined || gone === undefined) return undefined;
  const polite = isPolite(history);
  if (terminal?.values != null && terminal.seq < gone.seq) {
    const incarnation = facts.attribute(terminal)?.incarnation;
    if (incarnation === undefined) {
      return finding('ended-while-stopping', { state: terminal.values.state, unattributed: true });
    }
    if (incarnation === facts.struck && !polite) {
      return finding('ended-by-old-worker', { state: terminal.values.state, incarnation });
    }
  }
  if (polite) return undefined;
  const handedBack = facts.changes.find(
    (version) =>
      version.seq > begun.seq &&
      version.values?.state === 'pending' &&
      facts.attribute(version)?.incarnation === facts.struck,
  );
  return handedBack === undefined
    ? undefined
    : finding('handed-back-politely', { incarnation: facts.struck });
}

function doubtOfSuccessor(facts: RestartFacts): Finding | undefined {
  const there = facts.successor !== undefined || facts.takeOver !== undefined;
  return there ? undefined : finding('no-new-worker');
}

function proofs(history: History, facts: RestartFacts, begun: { readonly atMs: number }): readonly Finding[] {
  const evidence: Finding[] = [];
  const fault = facts.faults[0];
  const state = facts.before?.state ?? 'unknown';
  const progress = facts.before?.progress ?? null;
  evidence.push(
    fault === undefined
      ? finding('restarted-in-flight', { incarnation: facts.struck, state, progress })
      : finding('struck-in-flight', { fault: fault.fault, incarnation: facts.struck, state, progress }),
  );
  if (state !== 'processing' && facts.brokerBefore !== undefined) {
    evidence.push(finding('in-flight-by-broker', { owner: facts.brokerBefore.owner ?? 'a worker' }));
  }
  if (facts.gone !== undefined) {
    const { incarnation, proof, connectionsGone } = facts.gone;
    evidence.push(
      finding('worker-gone', { incarnation, proof, connectionsGone, afterMs: facts.gone.atMs - begun.atMs }),
    );
  }
  if (isDrain(history, facts) && facts.terminal?.values != null) {
    evidence.push(finding('drained', { incarnation: facts.struck, state: facts.terminal.values.state }));
  }
  const successor = facts.successor ?? facts.takeOver?.version;
  if (successor !== undefined) {
    const incarnation =
      'incarnation' in successor ? successor.incarnation : (facts.takeOver?.attribution.incarnation ?? 0);
    evidence.push(finding('new-worker', { incarnation, afterMs: successor.atMs - begun.atMs }));
  }
  return evidence;
}

/** A run whose beginning is unknown is taken for a crash: it has to show a hand-over. */
function isPolite(history: History): boolean {
  return first(history, 'run:started')?.polite ?? false;
}
