/** Three values, and how they combine: failed beats inconclusive beats passed. */
import type { CriterionLevel } from './event.ts';
import type { Finding } from './findings.ts';

export type CriterionStatus = 'passed' | 'failed' | 'inconclusive' | 'skipped';
export type Verdict = 'passed' | 'failed' | 'inconclusive';

/** What a criterion says of a history. */
export interface Judgement {
  readonly status: CriterionStatus;
  readonly evidence: readonly Finding[];
}

export interface JudgedCriterion extends Judgement {
  readonly id: string;
  readonly title: string;
  readonly level: CriterionLevel;
}

/**
 * Only `required` criteria decide. A run in which none of them passed proves nothing: it is inconclusive, never
 * passed by default.
 */
export function combine(criteria: readonly Pick<JudgedCriterion, 'status' | 'level'>[]): Verdict {
  const deciding = criteria.filter((criterion) => criterion.level === 'required').map(({ status }) => status);
  if (deciding.includes('failed')) return 'failed';
  if (deciding.includes('inconclusive')) return 'inconclusive';
  return deciding.includes('passed') ? 'passed' : 'inconclusive';
}
