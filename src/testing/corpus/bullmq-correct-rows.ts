import { correctBullmq } from './bullmq-rows.ts';
import type { CorpusRow } from './row.ts';

const REFERENCE = 'extraction-service/worker';

export const BULLMQ_CORRECT_ROWS: readonly CorpusRow[] = [
  correctBullmq(REFERENCE, 'claim token, fenced writes, effects and marks in one statement', {
    name: 'reference',
  }),
  correctBullmq(REFERENCE, 'hands the job back', { name: 'reference graceful', scenario: 'graceful' }),
].flat();
