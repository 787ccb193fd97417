import { brokenBullmq } from './bullmq-rows.ts';
import type { CorpusRow } from './row.ts';

export const BULLMQ_ACCOUNTS_ROWS: readonly CorpusRow[] = [
  brokenBullmq('started-at-reset', { failing: ['timestamps-preserved'], diagnosis: 'started-at-reset' }),
  brokenBullmq('started-at-lost', { failing: ['timestamps-preserved'], diagnosis: 'started-at-reset' }),
  brokenBullmq('completed-at-missing', {
    failing: ['timestamps-preserved'],
    diagnosis: 'completed-at-missing',
  }),
  brokenBullmq('completed-at-stale', { failing: ['timestamps-preserved'], diagnosis: 'clock-mixed' }),
  brokenBullmq('clock-mixed', { failing: ['timestamps-preserved'], diagnosis: 'clock-mixed' }),
  brokenBullmq('clock-mixed UTC', { failing: ['timestamps-preserved'], diagnosis: 'clock-mixed' }),
  brokenBullmq('progress-reset', { failing: ['progress-monotonic'], diagnosis: 'progress-reset' }),
  brokenBullmq('progress-of-this-run', { failing: ['progress-monotonic'], diagnosis: 'progress-reset' }),
  brokenBullmq('progress-miscounted', { failing: ['same-outcome'], diagnosis: 'progress-miscounted' }),
  brokenBullmq('reset-at-boot', {
    failing: ['progress-monotonic', 'timestamps-preserved'],
    diagnosis: 'reset-at-boot',
  }),
  brokenBullmq('retries-miscounted', { failing: ['retries-accounted'], diagnosis: 'retries-miscounted' }),
  brokenBullmq('retries-over-limit', { failing: ['retries-accounted'], diagnosis: 'retries-miscounted' }),
  brokenBullmq('backoff-lost', { failing: ['backoff-honoured'], diagnosis: 'backoff-lost' }),
  brokenBullmq('backoff-begun-anew', { failing: ['backoff-honoured'], diagnosis: 'backoff-lost' }),
  brokenBullmq('never-acked', { failing: ['queue-drained'], diagnosis: 'never-acked' }),
  brokenBullmq('queue-leftovers', { failing: ['queue-drained'], diagnosis: 'queue-leftovers' }),
  brokenBullmq('queue-leftovers-repeating', {
    failing: ['queue-drained'],
    diagnosis: 'queue-leftovers',
  }),
  brokenBullmq('queue-leftovers-lock', { failing: ['queue-drained'], diagnosis: 'queue-leftovers' }),
].flat();
