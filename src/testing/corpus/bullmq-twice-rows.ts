import { brokenBullmq } from './bullmq-rows.ts';
import type { CorpusRow } from './row.ts';

export const BULLMQ_TWICE_ROWS: readonly CorpusRow[] = [
  brokenBullmq('effects-not-idempotent', {
    failing: ['effects-exactly-once'],
    diagnosis: 'effects-not-idempotent',
  }),
  brokenBullmq('effect-and-mark-apart', {
    failing: ['effects-exactly-once'],
    diagnosis: 'effect-and-mark-apart',
  }),
  brokenBullmq('resumed-as-new-job', { failing: ['no-duplicate-jobs'], diagnosis: 'resumed-as-new-job' }),
  brokenBullmq('recovered-twice', { failing: ['no-duplicate-jobs'], diagnosis: 'recovered-twice' }),
  brokenBullmq('recovered-live-job', {
    failing: ['no-duplicate-jobs', 'single-writer'],
    diagnosis: 'recovered-live-job',
  }),
  brokenBullmq('children-enqueued-twice', {
    failing: ['no-duplicate-jobs'],
    diagnosis: 'children-enqueued-twice',
  }),
  brokenBullmq('fence-not-unique', { failing: ['effects-exactly-once'], diagnosis: 'fence-not-unique' }),
  brokenBullmq('lock-shorter-than-work', {
    failing: ['effects-exactly-once'],
    diagnosis: 'lock-shorter-than-work',
  }),
  brokenBullmq('orphan-children', {
    failing: ['single-writer'],
    diagnosis: 'orphan-children',
  }),
  brokenBullmq('redelivered-after-drain', {
    failing: ['terminal-is-final'],
    diagnosis: 'redelivered-after-drain',
  }),
  brokenBullmq('signal-swallowed', { verdict: 'inconclusive', diagnosis: 'signal-swallowed' }),
].flat();
