/** The diagnoses by id, the likeliest first. Words and remedies are in `reporters/diagnosis-words.ts`. */
import type { History } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import type { JudgedCriterion } from '../verdict.ts';
import type { Diagnose, DiagnosisValues } from './diagnosis.ts';
import * as accounting from './accounting.ts';
import * as celery from './celery.ts';
import * as claims from './claims.ts';
import * as endedWrongly from './ended-wrongly.ts';
import * as lost from './lost.ts';
import * as twice from './twice.ts';
import * as unaccounted from './unaccounted.ts';
import * as vacuous from './vacuous.ts';

export const DIAGNOSES = {
  'deleted-at-boot': either(lost.deletedAtBoot, celery.purged),
  'successor-died': lost.successorDied,
  'task-not-registered': celery.taskNotRegistered,
  'redelivered-but-skipped': either(lost.redeliveredButSkipped, claims.takenAndLeft),
  'stale-lock': either(lost.putBackAgain, claims.staleLock),
  'announced-only': claims.announcedOnly,
  'claim-tied-to-name': claims.claimTiedToName,
  'retry-in-memory': either(celery.retryInMemory, claims.retryInMemory),
  'grace-shorter-than-drain': claims.graceShorterThanDrain,
  'loaded-at-boot-only': claims.loadedAtBootOnly,
  'acked-before-done': lost.ackedBeforeDone,
  'child-death-acked': either(celery.childDeathAcked, lost.childDeathAcked),
  'acked-on-shutdown': either(celery.ackedOnShutdown, claims.completedOnShutdown, lost.ackedOnShutdown),
  'lost-in-shutdown-window': either(
    celery.putBackAndSwallowed,
    celery.lostInShutdownWindow,
    claims.lostInShutdownWindow,
  ),
  'popped-without-copy': lost.poppedWithoutCopy,
  'broker-gave-up-row-not-told': either(lost.brokerGaveUpRowNotTold, celery.taskGivenUp),
  'not-yet-due': lost.notYetDue,
  'never-reclaimed': lost.neverReclaimed,
  'nobody-listens': lost.nobodyListens,
  'stuck-after-pickup': lost.stuckAfterPickup,
  'group-waits-for-the-dead': either(celery.groupWaitsForTheDead, lost.groupWaitsForTheDead),
  'row-and-queue-disagree': endedWrongly.rowAndQueueDisagree,
  'closed-before-drained': claims.closedBeforeDrained,
  'failed-at-boot': either(endedWrongly.failedAtBoot, endedWrongly.neighbourEndedUntaken),
  'failed-on-shutdown': endedWrongly.failedOnShutdown,
  'redelivered-after-drain': endedWrongly.redeliveredAfterDrain,
  'rerun-cannot-succeed': endedWrongly.rerunCannotSucceed,
  'reran-finished-job': endedWrongly.reranFinishedJob,
  'step-mapped-as-end': endedWrongly.stepMappedAsEnd,
  'wrote-after-end': endedWrongly.wroteAfterEnd,
  'ended-unworked': endedWrongly.endedUnworked,
  'effect-and-mark-apart': claims.effectAndMarkApart,
  'resumed-past-work': claims.resumedPastWork,
  'error-swallowed': claims.errorSwallowed,
  'fence-not-unique': claims.fenceNotUnique,
  'lock-shorter-than-work': either(celery.visibilityShorterThanWork, claims.lockShorterThanWork),
  'items-missing': endedWrongly.itemsMissing,
  'effects-not-idempotent': twice.effectsNotIdempotent,
  'recovered-live-job': twice.recoveredLiveJob,
  'no-fencing': twice.noFencing,
  'recovery-hit-finished-jobs': endedWrongly.recoveryHitFinishedJobs,
  'slot-left-behind': endedWrongly.slotLeftBehind,
  'never-acked': endedWrongly.neverAcked,
  'queue-leftovers': endedWrongly.queueLeftovers,
  'reset-at-boot': accounting.resetAtBoot,
  'progress-reset': accounting.progressReset,
  'progress-miscounted': accounting.progressMiscounted,
  'restarts-burn-retries': accounting.restartsBurnRetries,
  'retries-miscounted': accounting.retriesMiscounted,
  'backoff-lost': accounting.backoffLost,
  'started-at-reset': unaccounted.startedAtReset,
  'completed-at-missing': unaccounted.completedAtMissing,
  'clock-mixed': unaccounted.clockMixed,
  'resumed-as-new-job': unaccounted.resumedAsNewJob,
  'children-enqueued-twice': unaccounted.childrenEnqueuedTwice,
  'recovered-twice': either(unaccounted.recoveredTwice, claims.resumedTwice),
  'status-not-mapped': vacuous.statusNotMapped,
  'ended-before-restart': vacuous.endedBeforeRestart,
  'strike-never-came': vacuous.strikeNeverCame,
  'not-in-flight': vacuous.notInFlight,
  'died-before-strike': vacuous.diedBeforeStrike,
  'stopped-politely': vacuous.stoppedPolitely,
  'worker-not-restarted': vacuous.workerNotRestarted,
  'signal-swallowed': vacuous.signalSwallowed,
  'orphan-children': vacuous.orphanChildren,
  'another-worker': vacuous.anotherWorker,
  'no-successor': vacuous.noSuccessor,
  'hold-hurt': vacuous.holdHurt,
  'writers-unknown': vacuous.writersUnknown,
  'work-not-shown': vacuous.workNotShown,
  'effects-unknown': vacuous.effectsUnknown,
  'expected-end-unknown': vacuous.expectedEndUnknown,
} as const satisfies Record<string, Diagnose>;

/** One cause that shows in several ways. */
function either(...ways: readonly Diagnose[]): Diagnose {
  return (subject) => ways.map((way) => way(subject)).find((values) => values !== undefined);
}

export type DiagnosisId = keyof typeof DIAGNOSES;

export interface Diagnosis {
  readonly id: DiagnosisId;
  readonly values: DiagnosisValues;
}

export function diagnose(
  history: History,
  facts: RestartFacts,
  criteria: readonly JudgedCriterion[],
): readonly Diagnosis[] {
  const codes = new Set(
    criteria.flatMap((criterion) => criterion.evidence.map((evidence) => evidence.code as string)),
  );
  const subject = {
    history,
    facts,
    criteria,
    has: (id: string, status: JudgedCriterion['status']) =>
      criteria.some((criterion) => criterion.id === id && criterion.status === status),
    found: (code: string) => codes.has(code),
  };
  const diagnoses: Diagnosis[] = [];
  for (const id of Object.keys(DIAGNOSES) as DiagnosisId[]) {
    const values = DIAGNOSES[id](subject);
    if (values !== undefined) diagnoses.push({ id, values });
  }
  return diagnoses.toSorted((one, other) => comesLate(one) - comesLate(other));
}

/** A name that is another in every life of the worker: every nearer cause is told before it. */
function comesLate({ values }: Diagnosis): number {
  return Number(values['anew'] ?? 0);
}
