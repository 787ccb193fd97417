/** The rows of a job table that is its own queue: the correct workers of several styles first, then the broken ones. */
import type { CorpusRow, Expectation } from './row.ts';

type Options = Partial<Pick<CorpusRow, 'name' | 'scenario' | 'strikeAt' | 'flags' | 'config' | 'setup'>>;

function correct(worker: string, note: string, options: Options = {}, expect?: Expectation): CorpusRow {
  return {
    name: worker,
    target: 'table',
    worker: worker === 'reference' ? 'table-service/worker' : `table-service/styles/${worker}`,
    scenario: 'crash',
    strikeAt: 'progress',
    note,
    expect: expect ?? { verdict: 'passed' },
    ...options,
  };
}

function broken(
  worker: string,
  note: string,
  expect: Omit<Expectation, 'verdict'> & Partial<Expectation>,
  options: Options = {},
): CorpusRow {
  return {
    name: worker,
    target: 'table',
    worker: `broken-workers/table/${worker}`,
    scenario: 'crash',
    strikeAt: 'progress',
    note,
    expect: { verdict: 'failed', ...expect },
    ...options,
  };
}

/** A job that can never succeed and has one retry, 5 s after it failed (the base delay times two). */
const ONE_SLOW_RETRY = {
  strikeAt: 'retrying',
  flags: ['--backoff-ms', '2500'],
  config: {
    fileMode: 'missing',
    jobs: { insert: { max_retries: 1 } },
    retries: { baseDelay: '2500ms' },
    terminalTimeout: '12s',
  },
} as const satisfies Options;

/** Effects that stay when the row of their job goes. */
const KEPT_EFFECTS = {
  setup: 'create table pybase.kept_effects (job_id uuid not null, file_path text not null)',
  config: {
    effects: { sql: 'select file_path, count(*) from pybase.kept_effects where job_id = $1 group by 1' },
  },
} as const satisfies Options;

const CORRECT: readonly CorpusRow[] = [
  correct('reference', 'lease, heartbeat, SKIP LOCKED, a token a claim'),
  correct('reference', 'struck at the claim', { name: 'reference at processing', strikeAt: 'processing' }),
  correct('reference', 'hands the job back through pending', {
    name: 'reference graceful',
    scenario: 'graceful',
  }),
  correct('reference', 'the same', { name: 'reference graceful-group', scenario: 'graceful-group' }),
  correct('reference', 'the same', { name: 'reference deploy', scenario: 'deploy' }),
  correct('reference', 'every file fails: retried, then FAILED', {
    name: 'reference missing files',
    strikeAt: 'processing',
    config: { fileMode: 'missing', files: 3, terminalTimeout: '8s' },
  }),
  correct('reference', 'struck while it waits for its retry', {
    name: 'reference retrying',
    ...ONE_SLOW_RETRY,
  }),
  correct('succeeds-at-last', 'fails twice, completes at the third attempt', {
    strikeAt: 'retrying',
    flags: ['--backoff-ms', '700'],
    config: { retries: { baseDelay: '700ms' }, terminalTimeout: '15s' },
  }),
  correct('one-transaction', 'one transaction for the whole job', { flags: ['--item-ms', '700'] }),
  correct('one-transaction', 'rolls back at SIGTERM', {
    name: 'one-transaction graceful',
    scenario: 'graceful',
    flags: ['--item-ms', '700'],
  }),
  correct(
    'from-the-beginning',
    'idempotent effects, begins again; told by default',
    { strikeAt: 'progress:40%' },
    { verdict: 'failed', failing: ['progress-monotonic'], diagnosis: 'progress-reset' },
  ),
  correct(
    'from-the-beginning',
    'the same, progress-monotonic advisory',
    {
      name: 'from-the-beginning advisory',
      strikeAt: 'progress:40%',
      config: { criteria: { 'progress-monotonic': 'advisory' } },
    },
    { verdict: 'passed', failing: ['progress-monotonic'] },
  ),
  correct('heartbeat-reaper', 'heartbeat and reaper instead of a lease', {
    config: { jobs: { columns: { leaseUntil: null } } },
  }),
  correct('own-name', 'names its connections itself'),
  correct('outbox', 'effects through an outbox'),
  correct('deletes-ended', 'what is done is deleted from the queue', KEPT_EFFECTS),
  correct('deletes-ended', 'the same, handed back at SIGTERM', {
    name: 'deletes-ended graceful',
    scenario: 'graceful',
    ...KEPT_EFFECTS,
  }),
  correct('drain', 'finishes the job in hand at SIGTERM', { scenario: 'graceful' }),
  correct('drain', 'killed in its drain, its lease ends', {
    name: 'drain cut off',
    flags: ['--item-ms', '400'],
    scenario: 'deploy',
    config: { worker: { stopGrace: '100ms' } },
  }),
  correct('ignores-signals', 'killed after the grace period, its lease ends', {
    scenario: 'deploy',
    config: { worker: { stopGrace: '100ms' } },
  }),
  correct(
    'ignores-signals',
    'never leaves: nothing is proved',
    { name: 'ignores-signals graceful', scenario: 'graceful', config: { worker: { stopGrace: '500ms' } } },
    { verdict: 'inconclusive', diagnosis: 'signal-swallowed' },
  ),
  correct(
    'reference',
    'a lease of an hour: recovery is late by design',
    { name: 'reference long lease', flags: ['--lease-ms', '3600000'] },
    { verdict: 'inconclusive', diagnosis: 'not-yet-due' },
  ),
];

const SHUTDOWN = { scenario: 'graceful' } as const;

const LOST: readonly CorpusRow[] = [
  broken('never-reclaimed', 'no sweep for ended claims', {
    failing: ['picked-up-again', 'reached-terminal'],
    diagnosis: 'never-reclaimed',
  }),
  broken('stale-lock', 'a lock row of the dead keeps everybody away', {
    failing: ['reached-terminal'],
    diagnosis: 'stale-lock',
  }),
  broken(
    'loaded-at-boot-only',
    'ended claims are looked for at boot only',
    { failing: ['picked-up-again', 'reached-terminal'], diagnosis: 'loaded-at-boot-only' },
    { flags: ['--lease-ms', '3000'] },
  ),
  broken(
    'claim-tied-to-name',
    'the successor has another name',
    { failing: ['picked-up-again', 'reached-terminal'], diagnosis: 'claim-tied-to-name' },
    { config: { worker: { env: { WORKER_NAME: 'w-{incarnation}' } } } },
  ),
  broken('redelivered-but-skipped', 'taken over, found to be in processing, left alone', {
    failing: ['reached-terminal'],
    diagnosis: 'redelivered-but-skipped',
  }),
  broken(
    'retry-in-memory',
    'the retry is a timer of the dead',
    { failing: ['reached-terminal', 'backoff-honoured'], diagnosis: 'retry-in-memory' },
    ONE_SLOW_RETRY,
  ),
  broken('slot-left-behind', 'the slot of the dead stays taken', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'slot-left-behind',
  }),
  broken('deleted-at-boot', 'a clean-up deletes what is in processing', {
    failing: ['job-persisted'],
    diagnosis: 'deleted-at-boot',
  }),
  broken('stuck-after-pickup', 'waits for what the dead worker was to deliver', {
    failing: ['reached-terminal'],
    diagnosis: 'stuck-after-pickup',
  }),
  broken(
    'lost-in-shutdown-window',
    'forgets the job that it had fetched ahead',
    { failing: ['witnesses-unharmed'], diagnosis: 'lost-in-shutdown-window' },
    SHUTDOWN,
  ),
  broken(
    'grace-shorter-than-drain',
    'killed while it finishes its job',
    { failing: ['picked-up-again', 'reached-terminal'], diagnosis: 'grace-shorter-than-drain' },
    { scenario: 'deploy', config: { worker: { stopGrace: '100ms' } }, flags: ['--item-ms', '400'] },
  ),
];

const ENDED_WRONGLY: readonly CorpusRow[] = [
  broken('failed-at-boot', 'boot fails what is in processing', {
    failing: ['same-outcome'],
    diagnosis: 'failed-at-boot',
  }),
  broken(
    'failed-on-shutdown',
    'fails its own job on its way out',
    { failing: ['same-outcome'], diagnosis: 'failed-on-shutdown' },
    SHUTDOWN,
  ),
  broken(
    'cancelled-on-shutdown',
    'cancels its own job on its way out',
    { failing: ['same-outcome'], diagnosis: 'failed-on-shutdown' },
    SHUTDOWN,
  ),
  broken(
    'acked-on-shutdown',
    'completes its own job on its way out, done or not',
    { failing: ['effects-exactly-once'], diagnosis: 'acked-on-shutdown' },
    SHUTDOWN,
  ),
  broken(
    'closed-before-drained',
    'closes its storage before the job in hand has ended',
    { failing: ['same-outcome'], diagnosis: 'closed-before-drained' },
    SHUTDOWN,
  ),
  broken('resumed-past-work', 'goes on one file too far', {
    failing: ['effects-exactly-once'],
    diagnosis: 'resumed-past-work',
  }),
  broken(
    'mark-before-effect',
    'a file is noted as done before its effect',
    { failing: ['effects-exactly-once'], diagnosis: 'effect-and-mark-apart' },
    { flags: ['--item-ms', '500'], config: { terminalTimeout: '10s' } },
  ),
  broken('error-swallowed', 'an error after the restart is logged, the job completed', {
    failing: ['effects-exactly-once'],
    diagnosis: 'error-swallowed',
  }),
  broken('reran-finished-job', 'a kept lease brings the finished job out again', {
    failing: ['terminal-is-final'],
    diagnosis: 'reran-finished-job',
  }),
  broken(
    'reran-finished-job',
    'the same, two seconds after the end',
    { failing: ['terminal-is-final'], diagnosis: 'reran-finished-job' },
    { name: 'reran-finished-job late', flags: ['--lease-ms', '2500'], config: { terminalTimeout: '8s' } },
  ),
  broken('wrote-after-end', 'reports progress after the end', {
    failing: ['terminal-is-final'],
    diagnosis: 'wrote-after-end',
  }),
  broken('recovery-hit-finished-jobs', 'a janitor fails what had ended long before', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'recovery-hit-finished-jobs',
  }),
  broken('rerun-cannot-succeed', 'the first run is in the way of the second', {
    failing: ['same-outcome'],
    diagnosis: 'rerun-cannot-succeed',
  }),
  broken(
    'restarts-burn-retries',
    'a restart counts as a failed attempt, the last one fails the job',
    { failing: ['retries-accounted'], diagnosis: 'restarts-burn-retries' },
    { config: { jobs: { insert: { max_retries: 1 } } } },
  ),
];

/** So much work is left after the restart that the lease surely ends in the middle of it. */
const LONGER = { files: 8, terminalTimeout: '10s' } as const;

const TWICE: readonly CorpusRow[] = [
  broken('effects-not-idempotent', 'begins again, effects are there twice', {
    failing: ['effects-exactly-once'],
    diagnosis: 'effects-not-idempotent',
  }),
  broken(
    'effect-and-mark-apart',
    'effect and mark in two transactions',
    { failing: ['effects-exactly-once'], diagnosis: 'effect-and-mark-apart' },
    // An effect every half second, its mark half a second later: it is between the two of the second file.
    { strikeAt: '750ms', flags: ['--item-ms', '500'] },
  ),
  broken('resumed-as-new-job', 'resumed as a second row', {
    failing: ['no-duplicate-jobs'],
    diagnosis: 'resumed-as-new-job',
  }),
  broken(
    'recovered-twice',
    'resumed at boot, and once more when the lease has ended',
    { failing: ['single-writer'], diagnosis: 'recovered-twice' },
    {
      // The new worker is there before the lease of the dead ends, and at work when it does, also where all is slow.
      flags: ['--item-ms', '700', '--lease-ms', '4000', '--concurrency', '2'],
      config: { files: 8, terminalTimeout: '15s' },
    },
  ),
  broken(
    'fence-not-unique',
    'host and pid as the claim, two runs in one process',
    { failing: ['effects-exactly-once'], diagnosis: 'fence-not-unique' },
    { flags: ['--item-ms', '400', '--concurrency', '2'], config: LONGER },
  ),
  broken(
    'lock-shorter-than-work',
    'the lease ends during the work',
    { failing: ['effects-exactly-once'], diagnosis: 'lock-shorter-than-work' },
    { flags: ['--item-ms', '400', '--concurrency', '2'], config: LONGER },
  ),
  broken('waiting-jobs-twice', 'what waited at boot is worked off twice', {
    failing: ['witnesses-unharmed'],
  }),
];

const NOT_ACCOUNTED_FOR: readonly CorpusRow[] = [
  broken('started-at-reset', 'every pick-up writes started_at', {
    failing: ['timestamps-preserved'],
    diagnosis: 'started-at-reset',
  }),
  broken('completed-at-missing', 'a resumed job ends without completed_at', {
    failing: ['timestamps-preserved'],
    diagnosis: 'completed-at-missing',
  }),
  ...['America/New_York', 'Asia/Tokyo'].map((zone) =>
    broken(
      'clock-mixed',
      `local time of ${zone} in a column without a zone`,
      { failing: ['timestamps-preserved'], diagnosis: 'clock-mixed' },
      {
        name: `clock-mixed ${zone}`,
        setup: `alter table pybase.table_jobs alter created_at type timestamp, alter started_at type timestamp,
                alter completed_at type timestamp`,
        config: { worker: { env: { TZ: zone } } },
      },
    ),
  ),
  broken('progress-reset', 'every pick-up shows 0 %', {
    failing: ['progress-monotonic'],
    diagnosis: 'progress-reset',
  }),
  broken('reset-at-boot', 'boot puts it back to pending, what was done is forgotten', {
    failing: ['progress-monotonic', 'timestamps-preserved'],
    diagnosis: 'reset-at-boot',
  }),
  broken(
    'forgotten-at-hand-back',
    'handed back at SIGTERM, what was done is forgotten',
    { failing: ['progress-monotonic', 'timestamps-preserved'], diagnosis: 'progress-reset' },
    SHUTDOWN,
  ),
  broken(
    'retries-miscounted',
    'boot counts retries from zero again',
    { failing: ['retries-accounted'], diagnosis: 'retries-miscounted' },
    ONE_SLOW_RETRY,
  ),
  broken(
    'backoff-lost',
    'boot makes what waits for its retry ready at once',
    { failing: ['backoff-honoured'], diagnosis: 'backoff-lost' },
    ONE_SLOW_RETRY,
  ),
  broken(
    'backoff-begun-anew',
    'boot lets what waits for its retry begin its wait anew',
    { failing: ['backoff-honoured'], diagnosis: 'backoff-lost' },
    ONE_SLOW_RETRY,
  ),
];

export const TABLE_ROWS: readonly CorpusRow[] = [
  ...CORRECT,
  ...LOST,
  ...ENDED_WRONGLY,
  ...TWICE,
  ...NOT_ACCOUNTED_FOR,
];
