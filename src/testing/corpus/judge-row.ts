/** Whether a run of a row said what it must. */
import type { CorpusRow } from './row.ts';

export type Observed = 'trigger' | 'poll';

export interface Found {
  readonly verdict: string;
  readonly failed: readonly string[];
  readonly diagnoses: readonly string[];
}

/** @returns why it is not as expected; empty: it is */
export function missesOf({ expect }: CorpusRow, found: Found, observed: Observed): readonly string[] {
  const { verdict, failed, diagnoses } = found;
  const misses: string[] = [];
  // Under polling it may be unable to tell. It may never say that a broken worker is sound, nor that a sound one is broken.
  const unable = observed === 'poll' && verdict === 'inconclusive';
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
