import { brokenBullmq } from './bullmq-rows.ts';
import type { CorpusRow } from './row.ts';

export const BULLMQ_ACCOUNTS_ROWS: readonly CorpusRow[] = [
  brokenBullmq('started-at-reset', { failing: ['timestamps-preserved'], diagnosis: 'started-at-reset' }),
].flat();
