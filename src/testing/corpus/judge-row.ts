/** Whether a run of a row said what it must. */
import type { Report } from '../../core/report.ts';
import type { CorpusRow } from './row.ts';

export type Observed = 'trigger' | 'poll';

export interface Found {
  readonly verdict: string;
  readonly failed: readonly string[];
  readonly diagnoses: readonly string[];
  /** The criteria that were left unjudged because polling may have missed what would fail them. */
  readonly unseen: readonly string[];
}

/** The criteria that say of themselves that polling cannot judge them. */
export function unseenIn({ criteria }: Report): readonly string[] {
  return criteria
    .filter(({ evidence }) => evidence.some(({ code }) => code === 'unseen-by-polling'))
    .map(({ id }) => id);
}

/** @returns why it is not as expected; empty: it is */
export function missesOf({ expect }: CorpusRow, found: Found, observed: Observed): readonly string[] {
  const { verdict, failed, diagnoses, unseen } = found;
  const misses: string[] = [];
  // Under polling it may be unable to tell, and has to say so: of the verdict, or of each criterion that the worker
  // breaks. It may never say that one is kept which is not, nor that a sound worker is broken.
  const unable =
    observed === 'poll' &&
    (verdict === 'inconclusive' ||
      (verdict === 'passed' && (expect.failing ?? []).every((id) => unseen.includes(id))));
  if (verdict !== expect.verdict && !unable) misses.push(`${verdict} instead of ${expect.verdict}`);
  // What must pass, or must be called inconclusive, may fail nothing that is not named.
  const unexpected = failed.filter((id) => !(expect.failing ?? []).some((named) => named === id));
  if (expect.verdict !== 'failed' && unexpected.length > 0) misses.push(`${unexpected.join(', ')} failed`);
  if (observed === 'poll') return misses;
  for (const id of expect.failing ?? []) if (!failed.includes(id)) misses.push(`${id} did not fail`);
  if (expect.diagnosis !== undefined && !diagnoses.includes(expect.diagnosis)) {
    misses.push(`not diagnosed: ${expect.diagnosis}`);
  }
  return misses;
}
