import { ONE_SLOW_RETRY, THREE_CRASHES } from '../../../fixtures/broken-workers/defects/defect.ts';
import { correctBullmq } from './bullmq-rows.ts';
import type { CorpusRow } from './row.ts';

const REFERENCE = 'extraction-service/worker';

function style(name: string): string {
  return `extraction-service/styles/${name}`;
}

/** All its retries, the last after 0.8 s. */
const MISSING = {
  strikeAt: 'processing',
  config: { fileMode: 'missing', files: 3, terminalTimeout: '12s' },
} as const;

/** The server shows local time, and the columns have no zone. */
const LOCAL_TIME = `
  alter table pybase.extraction_jobs
    alter created_at type timestamp, alter started_at type timestamp, alter completed_at type timestamp,
    alter last_retry_at type timestamp, alter updated_at type timestamp;
  do $$ begin execute format('alter database %I set timezone to %L', current_database(), 'America/New_York'); end $$;`;

/** Ended jobs go to another table, and their effects outlive their row. */
const ARCHIVE = {
  setup: `create table pybase.extraction_jobs_archive (like pybase.extraction_jobs including defaults);
    alter table pybase.extracted_documents drop constraint extracted_documents_job_id_fkey`,
  config: { jobs: { archive: 'pybase.extraction_jobs_archive' } },
} as const;

export const BULLMQ_CORRECT_ROWS: readonly CorpusRow[] = [
  correctBullmq(REFERENCE, 'claim token, fenced writes, effects and marks in one statement', {
    name: 'reference',
  }),
  correctBullmq(REFERENCE, 'struck at the claim', {
    name: 'reference at processing',
    strikeAt: 'processing',
  }),
  correctBullmq(REFERENCE, 'hands the job back', { name: 'reference graceful', scenario: 'graceful' }),
  correctBullmq(REFERENCE, 'the same', { name: 'reference graceful-group', scenario: 'graceful-group' }),
  correctBullmq(REFERENCE, 'the same', { name: 'reference deploy', scenario: 'deploy' }),
  correctBullmq(REFERENCE, 'three crashes in a row', {
    name: 'reference three crashes',
    ...THREE_CRASHES,
  }),
  correctBullmq(REFERENCE, 'every file fails: retried, then FAILED', {
    name: 'reference missing files',
    ...MISSING,
  }),
  correctBullmq(REFERENCE, 'struck while it waits for its retry', {
    name: 'reference retrying',
    ...ONE_SLOW_RETRY,
  }),
  correctBullmq(style('succeeds-at-last'), 'fails twice, completes at the third attempt', {
    strikeAt: 'retrying',
    flags: ['--attempts-backoff-ms', '700'],
    config: { retries: { baseDelay: '700ms' }, terminalTimeout: '15s' },
  }),
  correctBullmq(
    style('from-the-beginning'),
    'idempotent effects, begins again; told by default',
    { strikeAt: 'progress:40%' },
    { verdict: 'failed', failing: ['progress-monotonic'], diagnosis: 'progress-reset' },
  ),
  correctBullmq(
    style('from-the-beginning'),
    'the same, progress-monotonic advisory',
    {
      name: 'from-the-beginning advisory',
      strikeAt: 'progress:40%',
      config: { criteria: { 'progress-monotonic': 'advisory' } },
    },
    { verdict: 'passed', failing: ['progress-monotonic'] },
  ),
  correctBullmq(style('one-transaction'), 'one transaction for the whole job', {
    flags: ['--item-ms', '700'],
  }),
  correctBullmq(style('one-transaction'), 'rolls back at SIGTERM', {
    name: 'one-transaction graceful',
    scenario: 'graceful',
    flags: ['--item-ms', '700'],
  }),
  correctBullmq(style('outbox'), 'effects through an outbox'),
  correctBullmq(style('own-name'), 'names its connections itself'),
  correctBullmq(style('drain'), 'finishes the job in hand at SIGTERM', { scenario: 'graceful' }),
  correctBullmq(style('drain'), 'killed in its drain, its lock ends', {
    name: 'drain cut off',
    flags: ['--item-ms', '400'],
    scenario: 'deploy',
    config: { worker: { stopGrace: '100ms' } },
  }),
  correctBullmq(style('ignores-signals'), 'killed after the grace period, its lock ends', {
    scenario: 'deploy',
    config: { worker: { stopGrace: '100ms' } },
  }),
  correctBullmq(
    style('ignores-signals'),
    'never leaves: nothing is proved',
    { name: 'ignores-signals graceful', scenario: 'graceful', config: { worker: { stopGrace: '500ms' } } },
    { verdict: 'inconclusive', diagnosis: 'signal-swallowed' },
  ),
  correctBullmq(style('removes-ended'), 'a queue that keeps nothing of what has ended'),
  correctBullmq(style('removes-ended'), 'the same, where all files fail', {
    name: 'removes-ended missing files',
    ...MISSING,
  }),
  correctBullmq(style('archives-ended'), 'a job that ends is moved to the archive', ARCHIVE),
  correctBullmq(style('archives-ended'), 'the same, where all files fail', {
    name: 'archives-ended missing files',
    setup: ARCHIVE.setup,
    strikeAt: MISSING.strikeAt,
    config: { ...MISSING.config, ...ARCHIVE.config },
  }),
  correctBullmq(style('archives-later'), 'a janitor moves what has ended to the archive', ARCHIVE),
  correctBullmq(style('follow-up'), 'sends a message for tomorrow with the end of the job'),
  correctBullmq(REFERENCE, 'columns without a zone on a server in New York', {
    name: 'reference local time',
    setup: LOCAL_TIME,
  }),
  correctBullmq(REFERENCE, "the same, and created_at is the sender's to write", {
    name: 'reference local time, no default',
    setup: `${LOCAL_TIME} alter table pybase.extraction_jobs alter created_at drop default;`,
  }),
  correctBullmq(REFERENCE, 'the same, waiting for a retry', {
    name: 'reference local time, retrying',
    setup: LOCAL_TIME,
    ...ONE_SLOW_RETRY,
  }),
  correctBullmq(
    REFERENCE,
    'a lock of an hour: recovery is late by design',
    { name: 'reference long lock', flags: ['--lock-duration', '3600000'] },
    { verdict: 'inconclusive', diagnosis: 'not-yet-due' },
  ),
  correctBullmq(style('fan-out'), 'a child message a file, the parent waits in the queue'),
].flat();
