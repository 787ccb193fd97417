import { brokenBullmq } from './bullmq-rows.ts';
import type { CorpusRow } from './row.ts';

export const BULLMQ_ENDED_ROWS: readonly CorpusRow[] = [
  brokenBullmq('failed-at-boot', { failing: ['terminal-is-final'], diagnosis: 'failed-at-boot' }),
  brokenBullmq('failed-at-boot-for-good', { failing: ['same-outcome'], diagnosis: 'failed-at-boot' }),
  brokenBullmq('failed-on-shutdown', { failing: ['terminal-is-final'], diagnosis: 'failed-on-shutdown' }),
  brokenBullmq('failed-on-shutdown-for-good', {
    failing: ['same-outcome'],
    diagnosis: 'failed-on-shutdown',
  }),
  brokenBullmq('resumed-past-work', { failing: ['effects-exactly-once'], diagnosis: 'resumed-past-work' }),
  brokenBullmq('error-swallowed', { failing: ['effects-exactly-once'], diagnosis: 'error-swallowed' }),
  brokenBullmq('reran-finished-job', { failing: ['terminal-is-final'], diagnosis: 'reran-finished-job' }),
  brokenBullmq('reran-finished-job late', {
    failing: ['terminal-is-final'],
    diagnosis: 'reran-finished-job',
  }),
  brokenBullmq('wrote-after-end', { failing: ['terminal-is-final'], diagnosis: 'wrote-after-end' }),
  brokenBullmq('processing-after-end', {
    failing: ['reached-terminal', 'terminal-is-final'],
    diagnosis: 'wrote-after-end',
  }),
  brokenBullmq('stuck-after-pickup', { failing: ['reached-terminal'], diagnosis: 'stuck-after-pickup' }),
  brokenBullmq('stuck-in-the-work', { failing: ['reached-terminal'], diagnosis: 'stuck-after-pickup' }),
  brokenBullmq('recovery-hit-finished-jobs', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'recovery-hit-finished-jobs',
  }),
  brokenBullmq('rerun-cannot-succeed', { failing: ['same-outcome'], diagnosis: 'rerun-cannot-succeed' }),
  brokenBullmq('inputs-used-up', { failing: ['same-outcome'], diagnosis: 'rerun-cannot-succeed' }),
  brokenBullmq('closed-before-drained', { failing: ['same-outcome'], diagnosis: 'closed-before-drained' }),
  brokenBullmq('closed-before-drained-untold', {
    failing: ['reached-terminal'],
    diagnosis: 'closed-before-drained',
  }),
  brokenBullmq('row-and-queue-disagree', {
    failing: ['queue-drained'],
    diagnosis: 'row-and-queue-disagree',
  }),
  brokenBullmq('row-never-told', { failing: ['reached-terminal'], diagnosis: 'row-and-queue-disagree' }),
  brokenBullmq('restarts-burn-retries', {
    failing: ['retries-accounted'],
    diagnosis: 'restarts-burn-retries',
  }),
  brokenBullmq('restarts-burn-retries three times', {
    failing: ['retries-accounted'],
    diagnosis: 'restarts-burn-retries',
  }),
].flat();
