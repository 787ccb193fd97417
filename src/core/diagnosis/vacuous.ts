/** Why a run proves nothing, and what would. */
import { describeBroker } from '../broker-words.ts';
import { writesAfterKill } from '../after-kill.ts';
import type { MessageState } from '../event.ts';
import { lastSnapshotBefore, rowBefore, unmappedStatus } from '../history.ts';
import { LEFT_WITH_THE_JOB_MS, type RestartFacts } from '../restart.ts';
import type { Case, Diagnose } from './diagnosis.ts';

export const endedBeforeRestart: Diagnose = (subject) => {
  const before = subject.found('ended-before-strike');
  const ended = before || subject.found('ended-by-old-worker');
  if (
    !ended ||
    leftWithTheJob(subject) ||
    (!before && writesAfterKill(subject.history, subject.facts).length > 0)
  )
    return undefined;
  const { history, facts } = subject;
  const wasHeld = history.of('hold:placed').length > 0;
  // A polite stop is not held: the worker is to finish its job.
  const couldNot = history.of('hold:refused').length > 0 || facts.polite;
  return { hold: wasHeld ? 1 : 0, by: facts.by, ...(couldNot ? { refused: 1 } : {}) };
};

export const stoppedPolitely: Diagnose = (subject) =>
  subject.found('handed-back-politely') || leftWithTheJob(subject) ? { by: subject.facts.by } : undefined;

/** Somebody else's restart that was meant as a crash: the worker ended its job, and was gone right after. */
function leftWithTheJob({ found, facts }: Case): boolean {
  const { terminal, gone } = facts;
  if (!found('ended-by-old-worker') || facts.by === 'auto') return false;
  const stayedMs = (gone?.atMs ?? Number.NaN) - (terminal?.atMs ?? Number.NaN);
  return stayedMs < LEFT_WITH_THE_JOB_MS;
}

export const notInFlight: Diagnose = ({ found, facts }) =>
  found('not-in-flight') ? { strikeAt: facts.strikeAt, status: facts.before?.status ?? null } : undefined;

export const workerNotRestarted: Diagnose = ({ found, facts }) => {
  if (!found('worker-still-there') && !found('worker-not-seen-gone') && !found('connection-lives-on'))
    return undefined;
  if (facts.by === 'auto') return undefined;
  return { pids: facts.stillThere?.pids.join(' ') ?? '', by: facts.by };
};

/**
 * The harness's own signal was sent, and the worker lives on; or whoever had started it took a polite signal, went, and
 * did not pass it on.
 */
export const signalSwallowed: Diagnose = ({ found, facts }) => {
  if (!found('worker-still-there') || facts.by !== 'auto') return undefined;
  const { faults, stillThere } = facts;
  const values = { signal: faults[0]?.signal ?? null, pids: stillThere?.pids.join(' ') ?? '' };
  if (!isOrphaned(facts)) return values;
  return (values.signal ?? 'SIGKILL') === 'SIGKILL' ? undefined : { ...values, passedOn: 0 };
};

/** The worker had ended by itself before anybody struck it. */
export const diedBeforeStrike: Diagnose = ({ found, facts, history }) => {
  if (!found('nobody-was-struck')) return undefined;
  const exit = history.of('worker:exited').find((event) => event.incarnation === facts.struck);
  return {
    incarnation: facts.struck,
    exitCode: exit?.exitCode ?? null,
    signal: exit?.signal ?? null,
    lastLine: exit?.lastLine ?? null,
  };
};

/** The main process has gone, and others of its tree have not. */
function isOrphaned({ stillThere, mainPid }: RestartFacts): boolean {
  return mainPid !== undefined && stillThere?.pids.includes(mainPid) === false;
}

export const orphanChildren: Diagnose = ({ found, facts, history }) => {
  if (found('worker-still-there') && facts.by === 'auto' && isOrphaned(facts)) {
    return { pids: facts.stillThere?.pids.join(' ') ?? null };
  }
  if (found('ended-before-strike')) return undefined;
  return found('write-after-gone') ||
    found('written-undelivered') ||
    writesAfterKill(history, facts).length > 0
    ? { pids: null }
    : undefined;
};

/** The queue has done with the message. */
const DONE: readonly MessageState[] = ['ended', 'gone', 'dead'];

/** Nobody was struck, because the job never came to the moment: it stands still, and may even be done with for the queue. */
export const strikeNeverCame: Diagnose = ({ history, facts }) => {
  const waited = history.of('note').some(({ code }) => code === 'moment-never-came');
  if (!waited || facts.begun !== undefined || facts.terminal !== undefined) return undefined;
  const row = rowBefore(facts.changes);
  const snapshot = lastSnapshotBefore(facts.snapshots);
  return {
    strikeAt: facts.strikeAt,
    status: row == null ? 'gone' : row.status,
    progress: row?.progress ?? null,
    ...(snapshot !== undefined && DONE.includes(snapshot.state) ? { broker: describeBroker(snapshot) } : {}),
  };
};

export const anotherWorker: Diagnose = ({ found }) =>
  found('holder-not-struck') || found('written-by-nobody') ? {} : undefined;

/** Nobody can say whose writes these are. */
export const writersUnknown: Diagnose = ({ found, history }) => {
  const codes = ['holder-unknown', 'unattributed-writes', 'ended-while-stopping'];
  if (!codes.some(found)) return undefined;
  const observer = history.of('observer:started').at(-1);
  return { source: observer?.source ?? 'poll', pooled: observer?.pooled === true ? 1 : 0 };
};

/** The row shows too little to tell work from tidying up. */
export const workNotShown: Diagnose = ({ found }) =>
  found('ended-without-work-shown') || found('only-touched') ? {} : undefined;

/** Whether the files were done cannot be told from the row. */
export const effectsUnknown: Diagnose = ({ found }) =>
  found('ended-too-soon') || found('ended-sooner-than-control') ? {} : undefined;

/** The table has a word that no mapping knows: until it does, an end may look like work, and work like nothing. */
export const statusNotMapped: Diagnose = ({ found, facts }) => {
  if (!found('status-not-mapped') && !found('ended-before-strike') && !found('not-in-flight'))
    return undefined;
  const status = facts.changes.map(({ values }) => unmappedStatus(values)).find((word) => word !== undefined);
  return status === undefined ? undefined : { status };
};

export const holdHurt: Diagnose = ({ found }) =>
  found('hold-hurt') || found('hold-broken') ? {} : undefined;

export const noSuccessor: Diagnose = ({ found, facts }) =>
  found('no-new-worker') ? { by: facts.by } : undefined;

export const expectedEndUnknown: Diagnose = ({ found }) => (found('expected-end-unknown') ? {} : undefined);
