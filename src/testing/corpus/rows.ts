/** All rows of the corpus. */
import { BULLMQ_ACCOUNTS_ROWS } from './bullmq-accounts-rows.ts';
import { BULLMQ_CORRECT_ROWS } from './bullmq-correct-rows.ts';
import { BULLMQ_ENDED_ROWS } from './bullmq-ended-rows.ts';
import { BULLMQ_LOST_ROWS } from './bullmq-lost-rows.ts';
import { BULLMQ_TWICE_ROWS } from './bullmq-twice-rows.ts';
import { CELERY_ROWS } from './celery-rows.ts';
import type { CorpusRow } from './row.ts';
import { TABLE_ROWS } from './table-rows.ts';

export const ROWS: readonly CorpusRow[] = [
  ...TABLE_ROWS,
  ...BULLMQ_CORRECT_ROWS,
  ...BULLMQ_LOST_ROWS,
  ...BULLMQ_ENDED_ROWS,
  ...BULLMQ_TWICE_ROWS,
  ...BULLMQ_ACCOUNTS_ROWS,
  ...CELERY_ROWS,
];
