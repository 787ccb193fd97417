/** What a row of the corpus is: one worker, one scenario, and what must be said of it. */
import type { UserConfig } from '../../config/define-config.ts';
import type { KnownCriterionId } from '../../core/criterion-ids.ts';
import type { DiagnosisId } from '../../core/diagnosis/index.ts';
import type { Verdict } from '../../core/verdict.ts';

/** What the workers of a kind need around them. `targets.ts` has one for each kind. */
export type TargetKind = 'table' | 'bullmq-redis' | 'bullmq-postgres' | 'celery-redis' | 'celery-rabbitmq';

export interface CorpusRow {
  /** The row's name in the matrix; with the target it is unique. */
  readonly name: string;
  readonly target: TargetKind;
  /** The worker's script or module in `fixtures/`, without its ending. */
  readonly worker: string;
  /** A built-in one, or one that `config` makes. */
  readonly scenario: string;
  /** As in `--strike-at`. */
  readonly strikeAt: string;
  /** Further flags of the worker; they come after the target's own, so they win. */
  readonly flags?: readonly string[];
  /** Further configuration; it is laid over the target's own. */
  readonly config?: UserConfig;
  /** SQL before the run, in the row's own database. */
  readonly setup?: string;
  readonly expect: Expectation;
  /** What the defect is, or in which style the worker is a correct one; a line for the matrix. */
  readonly note: string;
}

export interface Expectation {
  readonly verdict: Verdict;
  /** Criteria that must be among the failed ones. Of a correct worker none may fail but these. */
  readonly failing?: readonly KnownCriterionId[];
  /** Must be among the diagnoses. */
  readonly diagnosis?: DiagnosisId;
}

/** A correct worker: nothing of what it does may be called a failure. */
export function isCorrect(row: CorpusRow): boolean {
  return !/^broken-workers\/|\/broken\//.test(row.worker);
}
