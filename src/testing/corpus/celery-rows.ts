/** The rows of Celery workers: correct ones and broken ones, on Redis and, where it can differ, on RabbitMQ. */
import type { UserConfig } from '../../config/define-config.ts';
import type { CorpusRow, Expectation } from './row.ts';

type Broker = 'redis' | 'rabbitmq';

interface Options extends Partial<Pick<CorpusRow, 'name' | 'scenario' | 'strikeAt' | 'flags' | 'config'>> {
  readonly brokers?: readonly Broker[];
  readonly env?: Readonly<Record<string, string>>;
}

const BOTH: readonly Broker[] = ['redis', 'rabbitmq'];
const REDIS: readonly Broker[] = ['redis'];

function rows(
  worker: string,
  note: string,
  expect: Expectation,
  { brokers = REDIS, env = {}, config = {}, ...options }: Options,
): readonly CorpusRow[] {
  return brokers.map((broker) => ({
    name: worker.replace(/^.*\//, '').replaceAll('_', '-'),
    target: `celery-${broker}`,
    worker,
    scenario: 'crash',
    strikeAt: 'progress',
    note,
    expect,
    config: { ...config, worker: { ...config.worker, env: { ...config.worker?.env, ...env } } },
    ...options,
  }));
}

function correct(
  note: string,
  options: Options & { readonly name: string },
  expect: Expectation = { verdict: 'passed' },
) {
  return rows('celery-service/app', note, expect, options);
}

function broken(worker: string, note: string, expect: Omit<Expectation, 'verdict'>, options: Options = {}) {
  return rows(worker, note, { verdict: 'failed', ...expect }, options);
}

const NEVER_TAKEN = ['picked-up-again', 'reached-terminal'] as const;
/** A process of the pool dies, and its parent lives on. */
const CHILD = {
  scenario: 'child',
  config: { scenarios: { child: [{ stop: 'SIGKILL', reach: 'child' }] } },
} as const satisfies Options;
/** The new worker is there before the old one leaves, and puts back what is not acknowledged in time. */
const OVERLAP = {
  scenario: 'overlap',
  flags: ['--prefetch-multiplier 1'],
  config: { files: 10, scenarios: { overlap: [{ start: true }, { stop: 'SIGTERM' }] } },
} as const satisfies Options;
const SECOND = { baseDelay: '1s' };
/** A job that can never succeed and has one retry, two seconds after it failed. */
const RETRYING = {
  strikeAt: 'retrying',
  env: { EXTRACTION_BACKOFF_MS: '1000' },
  config: { fileMode: 'missing', files: 2, retries: SECOND, jobs: { insert: { max_retries: 1 } } },
} as const satisfies Options & { readonly config: UserConfig };

const CORRECT: readonly (readonly CorpusRow[])[] = [
  correct('claims, fences, acknowledges late', { name: 'reference', brokers: BOTH }),
  correct('struck at the claim', { name: 'reference at processing', strikeAt: 'processing' }),
  correct('finishes its job, then leaves', {
    name: 'reference graceful',
    scenario: 'graceful',
    brokers: BOTH,
  }),
  correct('broken off by TERM and handed out again', {
    name: 'reference graceful solo',
    scenario: 'graceful',
    flags: ['-P solo'],
    brokers: BOTH,
  }),
  correct('a pool of threads', { name: 'reference threads', flags: ['-P threads'], brokers: BOTH }),
  correct('one process for all', { name: 'reference solo', flags: ['-P solo'], brokers: BOTH }),
  correct('one message at a time: the child puts its job back', {
    name: 'reference graceful-group',
    scenario: 'graceful-group',
    flags: ['--prefetch-multiplier 1'],
  }),
  correct('the parent puts back what a child died with', {
    name: 'reference child',
    ...CHILD,
    brokers: BOTH,
  }),
  correct('struck while it waits for its retry', { name: 'reference retrying', ...RETRYING }),
  correct('every file fails: retried, then FAILED', {
    name: 'reference missing files',
    strikeAt: 'processing',
    config: { fileMode: 'missing', files: 2, jobs: { insert: { max_retries: 1 } } },
    brokers: BOTH,
  }),
  correct(
    'two workers at once, and a visibility timeout shorter than the job: fenced, and then not the one that is stopped',
    { name: 'reference overlap', ...OVERLAP },
    { verdict: 'inconclusive', diagnosis: 'another-worker' },
  ),
  correct(
    "kombu's visibility timeout of an hour: told when it is due",
    {
      name: 'reference visibility',
      env: { CELERY_VISIBILITY_TIMEOUT: '3600' },
      config: { terminalTimeout: '3s' },
    },
    { verdict: 'inconclusive', diagnosis: 'not-yet-due' },
  ),
  correct(
    'the same, struck while the retry waits in a worker: told where it waits',
    {
      name: 'reference retrying visibility',
      ...RETRYING,
      env: { ...RETRYING.env, CELERY_VISIBILITY_TIMEOUT: '3600' },
      config: { ...RETRYING.config, terminalTimeout: '5s' },
    },
    { verdict: 'inconclusive', diagnosis: 'retry-in-memory' },
  ),
];

/** The reference with other settings. */
function badlySet(
  name: string,
  note: string,
  settings: Readonly<Record<string, unknown>>,
  expect: Omit<Expectation, 'verdict'>,
  options: Options = {},
) {
  const env = { ...options.env, BROKEN_SETTINGS: JSON.stringify(settings) };
  return broken('broken-workers/celery/badly_set', note, expect, { ...options, name, env });
}

const BROKEN: readonly (readonly CorpusRow[])[] = [
  broken(
    'celery-service/broken/celery_defaults',
    'acknowledged on receipt',
    { failing: NEVER_TAKEN, diagnosis: 'acked-before-done' },
    { brokers: BOTH },
  ),
  broken(
    'celery-service/broken/celery_defaults',
    'with solo the acknowledgement waits by accident: done again from the beginning',
    { failing: ['timestamps-preserved', 'effects-exactly-once'], diagnosis: 'started-at-reset' },
    { name: 'celery-defaults solo', flags: ['-P solo'], brokers: BOTH },
  ),
  broken(
    'celery-service/broken/celery_defaults',
    'with solo TERM breaks the task off, and it is acknowledged on the way out',
    { failing: NEVER_TAKEN, diagnosis: 'acked-on-shutdown' },
    { name: 'celery-defaults solo graceful', scenario: 'graceful', flags: ['-P solo'], brokers: BOTH },
  ),
  badlySet(
    'child-death-acked',
    "the parent acknowledges a child's death as a failure",
    { task_reject_on_worker_lost: false },
    { failing: NEVER_TAKEN, diagnosis: 'child-death-acked' },
    { ...CHILD, brokers: BOTH },
  ),
  badlySet(
    'child-death-acked graceful-group',
    'the same, by TERM to all of the group',
    { task_reject_on_worker_lost: false },
    { failing: NEVER_TAKEN, diagnosis: 'child-death-acked' },
    { scenario: 'graceful-group' },
  ),
  broken(
    'celery-service/broken/fence_missing',
    'a visibility timeout shorter than the job, and no fence: two at once',
    { failing: ['single-writer'], diagnosis: 'lock-shorter-than-work' },
    { ...OVERLAP, name: 'lock-shorter-than-work' },
  ),
  broken(
    'celery-service/broken/not_idempotent',
    'files that were done are done again',
    { failing: ['effects-exactly-once'], diagnosis: 'effects-not-idempotent' },
    { brokers: BOTH },
  ),
  broken(
    'broken-workers/celery/redelivered_but_skipped',
    'handed out again, found to be in processing, left alone',
    { failing: NEVER_TAKEN, diagnosis: 'redelivered-but-skipped' },
    { brokers: BOTH },
  ),
  broken('broken-workers/celery/stale_lock', 'a key in Redis without expiry: put back again and again', {
    failing: NEVER_TAKEN,
    diagnosis: 'stale-lock',
  }),
  broken(
    'broken-workers/celery/retry_in_memory',
    'the retry is a timer of the dead',
    {
      failing: [...NEVER_TAKEN, 'backoff-honoured'],
      diagnosis: 'retry-in-memory',
    },
    RETRYING,
  ),
  broken(
    'broken-workers/celery/group_waits_for_the_dead',
    'a chord whose parts are acknowledged on receipt',
    {
      failing: ['reached-terminal'],
      diagnosis: 'group-waits-for-the-dead',
    },
    { strikeAt: '600ms' },
  ),
  broken('broken-workers/celery/slot_left_behind', 'a slot in Redis that counts the dead', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'slot-left-behind',
  }),
  broken('broken-workers/celery/stuck_after_pickup', 'waits for what the dead had begun', {
    failing: ['reached-terminal'],
    diagnosis: 'stuck-after-pickup',
  }),
  broken(
    'broken-workers/celery/deleted_at_boot',
    'boot deletes what is in processing',
    { failing: ['job-persisted'], diagnosis: 'deleted-at-boot' },
    { brokers: BOTH },
  ),
  broken(
    'broken-workers/celery/failed_at_boot',
    'boot fails what is in processing; the message completes it',
    { failing: ['terminal-is-final'], diagnosis: 'failed-at-boot' },
  ),
  broken(
    'broken-workers/celery/failed_for_good_at_boot',
    'boot fails what is in processing; the message finds it ended',
    { failing: ['same-outcome'], diagnosis: 'failed-at-boot' },
  ),
  broken(
    'broken-workers/celery/failed_on_shutdown',
    'asked to stop, it fails the job in hand',
    {
      failing: ['same-outcome'],
      diagnosis: 'failed-on-shutdown',
    },
    { scenario: 'graceful' },
  ),
  broken('broken-workers/celery/wrote_after_end', 'a late progress write', {
    failing: ['terminal-is-final'],
    diagnosis: 'wrote-after-end',
  }),
  broken('broken-workers/celery/recovered_twice', 'boot enqueues anew what the broker hands out again', {
    failing: ['no-duplicate-jobs'],
    diagnosis: 'recovered-twice',
  }),
  broken('broken-workers/celery/resumed_as_new_job', 'done as another row', {
    failing: ['no-duplicate-jobs'],
    diagnosis: 'resumed-as-new-job',
  }),
  broken(
    'broken-workers/celery/started_at_reset',
    'started_at is set anew',
    {
      failing: ['timestamps-preserved'],
      diagnosis: 'started-at-reset',
    },
    { brokers: BOTH },
  ),
  broken('broken-workers/celery/progress_reset', 'begins with an empty row', {
    failing: ['progress-monotonic'],
    diagnosis: 'progress-reset',
  }),
  broken('broken-workers/celery/reset_at_boot', 'boot puts all back to the beginning', {
    failing: ['progress-monotonic', 'timestamps-preserved'],
    diagnosis: 'reset-at-boot',
  }),
  broken(
    'broken-workers/celery/restarts_burn_retries',
    'a pick-up counts as a retry',
    {
      failing: ['retries-accounted', 'same-outcome'],
      diagnosis: 'restarts-burn-retries',
    },
    { config: { jobs: { insert: { max_retries: 1 } } } },
  ),
  broken('broken-workers/celery/recovery_hit_finished_jobs', 'boot fails jobs that had ended', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'recovery-hit-finished-jobs',
  }),
];

export const CELERY_ROWS: readonly CorpusRow[] = [...CORRECT, ...BROKEN].flat();
