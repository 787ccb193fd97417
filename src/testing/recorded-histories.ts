/**
 * The recorded histories in `fixtures/histories`: journals of real runs, kept so that the judge is held to what it said
 * of them. Between them they get every verdict and fail every criterion that can fail (`restart-observed` is never failed: it
 * makes a run inconclusive).
 */
import type { DiagnosisId } from '../core/diagnosis/index.ts';
import type { KnownCriterionId } from '../core/criterion-ids.ts';
import type { Outcome, Report } from '../core/report.ts';
import type { TargetKind } from './corpus/row.ts';
import type { Verdict } from '../core/verdict.ts';

export interface RecordedHistory {
  /** The file's name without its ending. */
  readonly name: string;
  /** The row of the corpus that was run. */
  readonly row: string;
  /** `table` if absent. */
  readonly target?: TargetKind;
  readonly observe?: 'poll';
  readonly disarmed?: boolean;
  readonly verdict: Verdict;
  readonly outcome: Outcome;
  /** All that failed, in the order of the report. */
  readonly failed: readonly KnownCriterionId[];
  /** All of them, the likeliest first. */
  readonly diagnoses: readonly DiagnosisId[];
}

export const RECORDED: readonly RecordedHistory[] = [
  {
    name: 'table-handed-over',
    row: 'reference',
    verdict: 'passed',
    outcome: 'handed-over',
    failed: [],
    diagnoses: [],
  },
  { name: 'table-drained', row: 'drain', verdict: 'passed', outcome: 'drained', failed: [], diagnoses: [] },
  {
    name: 'table-one-transaction',
    row: 'one-transaction',
    verdict: 'passed',
    outcome: 'handed-over',
    failed: [],
    diagnoses: [],
  },
  {
    name: 'table-retried',
    row: 'reference retrying',
    verdict: 'passed',
    outcome: 'handed-over',
    failed: [],
    diagnoses: [],
  },
  {
    name: 'table-disarmed',
    row: 'reference',
    disarmed: true,
    verdict: 'inconclusive',
    outcome: 'vacuous',
    failed: [],
    diagnoses: [],
  },
  {
    name: 'table-signal-ignored',
    row: 'ignores-signals graceful',
    verdict: 'inconclusive',
    outcome: 'vacuous',
    failed: [],
    diagnoses: ['signal-swallowed'],
  },
  {
    name: 'table-not-yet-due',
    row: 'reference long lease',
    verdict: 'inconclusive',
    outcome: 'lost',
    failed: [],
    diagnoses: ['not-yet-due'],
  },
  {
    name: 'table-deleted',
    row: 'deleted-at-boot',
    verdict: 'failed',
    outcome: 'lost',
    failed: ['job-persisted', 'picked-up-again', 'reached-terminal'],
    diagnoses: ['deleted-at-boot'],
  },
  {
    name: 'table-never-reclaimed',
    row: 'never-reclaimed',
    verdict: 'failed',
    outcome: 'lost',
    failed: ['picked-up-again', 'reached-terminal'],
    diagnoses: ['never-reclaimed'],
  },
  {
    name: 'table-stuck',
    row: 'stuck-after-pickup',
    verdict: 'failed',
    outcome: 'stuck',
    failed: ['reached-terminal'],
    diagnoses: ['stuck-after-pickup'],
  },
  {
    name: 'table-started-anew',
    row: 'started-at-reset',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['timestamps-preserved'],
    diagnoses: ['started-at-reset'],
  },
  {
    name: 'table-second-row',
    row: 'resumed-as-new-job',
    verdict: 'failed',
    outcome: 'lost',
    failed: ['no-duplicate-jobs', 'same-outcome'],
    diagnoses: ['resumed-as-new-job'],
  },
  {
    name: 'table-progress-lost',
    row: 'progress-reset',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['progress-monotonic'],
    diagnoses: ['progress-reset'],
  },
  {
    name: 'table-two-at-once',
    row: 'recovered-twice',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['single-writer', 'effects-exactly-once'],
    diagnoses: ['lock-shorter-than-work', 'no-fencing', 'recovered-twice'],
  },
  {
    name: 'table-run-again',
    row: 'reran-finished-job',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['terminal-is-final'],
    diagnoses: ['reran-finished-job'],
  },
  {
    name: 'table-retries-burnt',
    row: 'restarts-burn-retries',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['retries-accounted', 'same-outcome'],
    diagnoses: ['restarts-burn-retries'],
  },
  {
    name: 'table-backoff-lost',
    row: 'backoff-lost',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['backoff-honoured'],
    diagnoses: ['backoff-lost'],
  },
  {
    name: 'table-effects-twice',
    row: 'effects-not-idempotent',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['effects-exactly-once'],
    diagnoses: ['effects-not-idempotent'],
  },
  {
    name: 'table-effects-twice-polled',
    row: 'effects-not-idempotent',
    observe: 'poll',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['effects-exactly-once'],
    diagnoses: ['effects-not-idempotent'],
  },
  {
    name: 'table-failed-at-boot',
    row: 'failed-at-boot',
    verdict: 'failed',
    outcome: 'lost',
    failed: ['picked-up-again', 'same-outcome'],
    diagnoses: ['failed-at-boot'],
  },
  {
    name: 'table-neighbour-spoiled',
    row: 'recovery-hit-finished-jobs',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['witnesses-unharmed'],
    diagnoses: ['recovery-hit-finished-jobs'],
  },
  {
    name: 'redis-handed-over',
    row: 'reference',
    target: 'bullmq-redis',
    verdict: 'passed',
    outcome: 'handed-over',
    failed: [],
    diagnoses: [],
  },
  {
    name: 'postgres-handed-back',
    row: 'reference graceful',
    target: 'bullmq-postgres',
    verdict: 'passed',
    outcome: 'handed-over',
    failed: [],
    diagnoses: [],
  },
  {
    name: 'redis-acked-before-done',
    row: 'acked-before-done',
    target: 'bullmq-redis',
    verdict: 'failed',
    outcome: 'lost',
    failed: ['picked-up-again', 'reached-terminal'],
    diagnoses: ['acked-before-done'],
  },
  {
    name: 'postgres-skipped',
    row: 'redelivered-but-skipped',
    target: 'bullmq-postgres',
    verdict: 'failed',
    outcome: 'lost',
    failed: ['picked-up-again', 'reached-terminal'],
    diagnoses: ['redelivered-but-skipped'],
  },
  {
    name: 'postgres-second-message',
    row: 'recovered-twice',
    target: 'bullmq-postgres',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['no-duplicate-jobs'],
    diagnoses: ['recovered-twice'],
  },
  {
    name: 'redis-never-acked',
    row: 'never-acked',
    target: 'bullmq-redis',
    verdict: 'failed',
    outcome: 'handed-over',
    failed: ['queue-drained'],
    diagnoses: ['never-acked'],
  },
  {
    name: 'celery-rabbitmq-handed-over',
    row: 'reference',
    target: 'celery-rabbitmq',
    verdict: 'passed',
    outcome: 'handed-over',
    failed: [],
    diagnoses: [],
  },
  {
    name: 'celery-redis-acked-on-receipt',
    row: 'celery-defaults',
    target: 'celery-redis',
    verdict: 'failed',
    outcome: 'lost',
    failed: ['picked-up-again', 'reached-terminal'],
    diagnoses: ['acked-before-done'],
  },
  {
    name: 'celery-redis-child-death-acked',
    row: 'child-death-acked',
    target: 'celery-redis',
    verdict: 'failed',
    outcome: 'lost',
    failed: ['picked-up-again', 'reached-terminal'],
    diagnoses: ['child-death-acked'],
  },
];

type Judged = Pick<RecordedHistory, 'verdict' | 'outcome' | 'failed' | 'diagnoses'>;

/** What is compared: of a report, or of what was expected. */
export function judgementOf(judged: Report | RecordedHistory): Omit<Judged, 'verdict'> & { verdict: string } {
  const { verdict, outcome } = judged;
  if ('failed' in judged) return { verdict, outcome, failed: judged.failed, diagnoses: judged.diagnoses };
  return {
    verdict,
    outcome,
    failed: judged.criteria
      .filter(({ status }) => status === 'failed')
      .map(({ id }) => id as KnownCriterionId),
    diagnoses: judged.diagnoses.map(({ id }) => id),
  };
}

/** Everything that was concluded from a history, as text: for each criterion what it found, for each diagnosis its values. */
export function conclusionsOf({ verdict, outcome, timings, criteria, diagnoses }: Report): string {
  const judged = criteria.map(({ id, status, evidence }) => ({ id, status, evidence }));
  return `${JSON.stringify({ verdict, outcome, timings, criteria: judged, diagnoses }, null, 1)}\n`;
}
