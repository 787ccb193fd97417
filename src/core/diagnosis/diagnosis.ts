/** What every diagnosis is: the likely cause of what the criteria found, with the facts that point to it. */
import type { History } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import type { JudgedCriterion } from '../verdict.ts';

/** The evidence is plain values; the sentences are in `reporters/diagnosis-words.ts`. */
export type DiagnosisValues = Readonly<Record<string, string | number | null>>;

export interface Case {
  readonly history: History;
  readonly facts: RestartFacts;
  readonly criteria: readonly JudgedCriterion[];
  /** Whether the criterion was judged, with this status. */
  readonly has: (id: string, status: JudgedCriterion['status']) => boolean;
  /** Whether any criterion gave a finding with this code. */
  readonly found: (code: string) => boolean;
}

/** @returns the values of its sentences, or `undefined` where it does not apply */
export type Diagnose = (subject: Case) => DiagnosisValues | undefined;
