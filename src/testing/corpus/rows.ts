/** All rows of the corpus. */
import type { CorpusRow } from './row.ts';
import { TABLE_ROWS } from './table-rows.ts';

export const ROWS: readonly CorpusRow[] = [...TABLE_ROWS];
