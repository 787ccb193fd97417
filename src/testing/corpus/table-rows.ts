/** The rows of a job table that is its own queue: the correct workers of several styles first, then the broken ones. */
import { BROKEN_TABLE, ONE_SLOW_TABLE_RETRY } from '../../../fixtures/broken-workers/defects/table.ts';
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

/**
 * A bundled broken worker, as it is listed in `fixtures/broken-workers/defects`.
 * @throws Error for a name that is not listed
 */
function broken(name: string, expect: Omit<Expectation, 'verdict'>): CorpusRow {
  const defect = BROKEN_TABLE.find((listed) => listed.name === name);
  if (defect === undefined) throw new Error(`${name} is not listed among the broken workers of a table`);
  const { worker = name, backend: _none, ...shown } = defect;
  return {
    ...shown,
    target: 'table',
    worker: `broken-workers/table/${worker}`,
    expect: { verdict: 'failed', ...expect },
  };
}

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
    ...ONE_SLOW_TABLE_RETRY,
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

const NEVER_TAKEN = ['picked-up-again', 'reached-terminal'] as const;

const LOST: readonly CorpusRow[] = [
  broken('never-reclaimed', { failing: NEVER_TAKEN, diagnosis: 'never-reclaimed' }),
  broken('stale-lock', { failing: ['reached-terminal'], diagnosis: 'stale-lock' }),
  broken('announced-only', {
    failing: [...NEVER_TAKEN, 'witnesses-unharmed'],
    diagnosis: 'announced-only',
  }),
  broken('loaded-at-boot-only', { failing: NEVER_TAKEN, diagnosis: 'loaded-at-boot-only' }),
  broken('claim-tied-to-name', { failing: NEVER_TAKEN, diagnosis: 'claim-tied-to-name' }),
  broken('redelivered-but-skipped', {
    failing: ['reached-terminal'],
    diagnosis: 'redelivered-but-skipped',
  }),
  broken('retry-in-memory', {
    failing: ['reached-terminal', 'backoff-honoured'],
    diagnosis: 'retry-in-memory',
  }),
  broken('slot-left-behind', { failing: ['witnesses-unharmed'], diagnosis: 'slot-left-behind' }),
  broken('deleted-at-boot', { failing: ['job-persisted'], diagnosis: 'deleted-at-boot' }),
  broken('stuck-after-pickup', { failing: ['reached-terminal'], diagnosis: 'stuck-after-pickup' }),
  broken('lost-in-shutdown-window', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'lost-in-shutdown-window',
  }),
  broken('grace-shorter-than-drain', { failing: NEVER_TAKEN, diagnosis: 'grace-shorter-than-drain' }),
];

const ENDED_WRONGLY: readonly CorpusRow[] = [
  broken('failed-at-boot', { failing: ['same-outcome'], diagnosis: 'failed-at-boot' }),
  broken('failed-on-shutdown', { failing: ['same-outcome'], diagnosis: 'failed-on-shutdown' }),
  broken('cancelled-on-shutdown', { failing: ['same-outcome'], diagnosis: 'failed-on-shutdown' }),
  broken('acked-on-shutdown', { failing: ['effects-exactly-once'], diagnosis: 'acked-on-shutdown' }),
  broken('closed-before-drained', { failing: ['same-outcome'], diagnosis: 'closed-before-drained' }),
  broken('resumed-past-work', { failing: ['effects-exactly-once'], diagnosis: 'resumed-past-work' }),
  broken('mark-before-effect', { failing: ['effects-exactly-once'], diagnosis: 'effect-and-mark-apart' }),
  broken('error-swallowed', { failing: ['effects-exactly-once'], diagnosis: 'error-swallowed' }),
  broken('reran-finished-job', { failing: ['terminal-is-final'], diagnosis: 'reran-finished-job' }),
  broken('reran-finished-job late', { failing: ['terminal-is-final'], diagnosis: 'reran-finished-job' }),
  broken('wrote-after-end', { failing: ['terminal-is-final'], diagnosis: 'wrote-after-end' }),
  broken('recovery-hit-finished-jobs', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'recovery-hit-finished-jobs',
  }),
  broken('effects-cleaned-at-boot', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'recovery-hit-finished-jobs',
  }),
  broken('rerun-cannot-succeed', { failing: ['same-outcome'], diagnosis: 'rerun-cannot-succeed' }),
  broken('restarts-burn-retries', { failing: ['retries-accounted'], diagnosis: 'restarts-burn-retries' }),
];

const TWICE: readonly CorpusRow[] = [
  broken('effects-not-idempotent', {
    failing: ['effects-exactly-once'],
    diagnosis: 'effects-not-idempotent',
  }),
  broken('effect-and-mark-apart', {
    failing: ['effects-exactly-once'],
    diagnosis: 'effect-and-mark-apart',
  }),
  broken('resumed-as-new-job', { failing: ['no-duplicate-jobs'], diagnosis: 'resumed-as-new-job' }),
  broken('recovered-twice', { failing: ['single-writer'], diagnosis: 'recovered-twice' }),
  broken('fence-not-unique', { failing: ['effects-exactly-once'], diagnosis: 'fence-not-unique' }),
  broken('lock-shorter-than-work', {
    failing: ['effects-exactly-once'],
    diagnosis: 'lock-shorter-than-work',
  }),
  broken('waiting-jobs-twice', { failing: ['witnesses-unharmed'] }),
];

const NOT_ACCOUNTED_FOR: readonly CorpusRow[] = [
  broken('started-at-reset', { failing: ['timestamps-preserved'], diagnosis: 'started-at-reset' }),
  broken('completed-at-missing', { failing: ['timestamps-preserved'], diagnosis: 'completed-at-missing' }),
  broken('clock-mixed America/New_York', { failing: ['timestamps-preserved'], diagnosis: 'clock-mixed' }),
  broken('clock-mixed Asia/Tokyo', { failing: ['timestamps-preserved'], diagnosis: 'clock-mixed' }),
  broken('progress-reset', { failing: ['progress-monotonic'], diagnosis: 'progress-reset' }),
  broken('reset-at-boot', {
    failing: ['progress-monotonic', 'timestamps-preserved'],
    diagnosis: 'reset-at-boot',
  }),
  broken('forgotten-at-hand-back', {
    failing: ['progress-monotonic', 'timestamps-preserved'],
    diagnosis: 'progress-reset',
  }),
  broken('retries-miscounted', { failing: ['retries-accounted'], diagnosis: 'retries-miscounted' }),
  broken('backoff-lost', { failing: ['backoff-honoured'], diagnosis: 'backoff-lost' }),
  broken('backoff-begun-anew', { failing: ['backoff-honoured'], diagnosis: 'backoff-lost' }),
];

export const TABLE_ROWS: readonly CorpusRow[] = [
  ...CORRECT,
  ...LOST,
  ...ENDED_WRONGLY,
  ...TWICE,
  ...NOT_ACCOUNTED_FOR,
];
