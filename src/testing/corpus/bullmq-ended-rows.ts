import type { CorpusRow } from './row.ts';

export const BULLMQ_ENDED_ROWS: readonly CorpusRow[] = [];
