import { brokenBullmq } from './bullmq-rows.ts';
import type { CorpusRow } from './row.ts';

const NEVER_TAKEN = ['picked-up-again', 'reached-terminal'] as const;

export const BULLMQ_LOST_ROWS: readonly CorpusRow[] = [
  brokenBullmq('acked-before-done', { failing: NEVER_TAKEN, diagnosis: 'acked-before-done' }),
  brokenBullmq('popped-without-copy', { failing: NEVER_TAKEN, diagnosis: 'popped-without-copy' }),
  brokenBullmq('redelivered-but-skipped', { failing: NEVER_TAKEN, diagnosis: 'redelivered-but-skipped' }),
  brokenBullmq('deleted-at-boot', { failing: ['job-persisted'], diagnosis: 'deleted-at-boot' }),
].flat();
