import { brokenBullmq } from './bullmq-rows.ts';
import type { CorpusRow } from './row.ts';

export const BULLMQ_TWICE_ROWS: readonly CorpusRow[] = [
  brokenBullmq('effects-not-idempotent', {
    failing: ['effects-exactly-once'],
    diagnosis: 'effects-not-idempotent',
  }),
  brokenBullmq('resumed-as-new-job', { failing: ['no-duplicate-jobs'], diagnosis: 'resumed-as-new-job' }),
  brokenBullmq('recovered-twice', { failing: ['no-duplicate-jobs'], diagnosis: 'recovered-twice' }),
].flat();
