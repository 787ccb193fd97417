/** The rows of Celery workers: correct ones and broken ones, on Redis and, where it can differ, on RabbitMQ. */
import { BROKEN_CELERY, CHILD, OVERLAP, RETRYING } from '../../../fixtures/broken-workers/defects/celery.ts';
import { mergeConfigs } from '../../config/merge-configs.ts';
import type { CorpusRow, Expectation } from './row.ts';

type Broker = 'redis' | 'rabbitmq';

interface Options extends Partial<Pick<CorpusRow, 'scenario' | 'strikeAt' | 'flags' | 'config'>> {
  readonly brokers?: readonly Broker[];
}

const BOTH: readonly Broker[] = ['redis', 'rabbitmq'];
const REDIS: readonly Broker[] = ['redis'];

function correct(
  note: string,
  { brokers = REDIS, ...options }: Options & { readonly name: string },
  expect: Expectation = { verdict: 'passed' },
): readonly CorpusRow[] {
  return brokers.map((broker) => ({
    target: `celery-${broker}`,
    worker: 'celery-service/app',
    scenario: 'crash',
    strikeAt: 'progress',
    note,
    expect,
    ...options,
  }));
}

/**
 * A bundled broken worker, as it is listed in `fixtures/broken-workers/defects`.
 * @throws Error for a name that is not listed
 */
function broken(
  name: string,
  expect: Omit<Expectation, 'verdict'>,
  brokers: readonly Broker[] = REDIS,
): readonly CorpusRow[] {
  const defect = BROKEN_CELERY.find((listed) => listed.name === name);
  if (defect === undefined) throw new Error(`${name} is not listed among the broken Celery workers`);
  return brokers.map((broker) => ({
    ...defect,
    target: `celery-${broker}`,
    expect: { verdict: 'failed', ...expect },
  }));
}

const NEVER_TAKEN = ['picked-up-again', 'reached-terminal'] as const;

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
      config: { terminalTimeout: '3s', worker: { env: { CELERY_VISIBILITY_TIMEOUT: '3600' } } },
    },
    { verdict: 'inconclusive', diagnosis: 'not-yet-due' },
  ),
  correct(
    'the same, struck while the retry waits in a worker: told where it waits',
    {
      name: 'reference retrying visibility',
      ...RETRYING,
      config: mergeConfigs(RETRYING.config, {
        terminalTimeout: '5s',
        worker: { env: { CELERY_VISIBILITY_TIMEOUT: '3600' } },
      }),
    },
    { verdict: 'inconclusive', diagnosis: 'retry-in-memory' },
  ),
];

const BROKEN: readonly (readonly CorpusRow[])[] = [
  broken('celery-defaults', { failing: NEVER_TAKEN, diagnosis: 'acked-before-done' }, BOTH),
  broken(
    'celery-defaults solo',
    { failing: ['timestamps-preserved', 'effects-exactly-once'], diagnosis: 'started-at-reset' },
    BOTH,
  ),
  broken('celery-defaults solo graceful', { failing: NEVER_TAKEN, diagnosis: 'acked-on-shutdown' }, BOTH),
  broken('child-death-acked', { failing: NEVER_TAKEN, diagnosis: 'child-death-acked' }, BOTH),
  broken('child-death-acked graceful-group', { failing: NEVER_TAKEN, diagnosis: 'child-death-acked' }),
  broken('lock-shorter-than-work', { failing: ['single-writer'], diagnosis: 'lock-shorter-than-work' }),
  broken('not-idempotent', { failing: ['effects-exactly-once'], diagnosis: 'effects-not-idempotent' }, BOTH),
  broken('redelivered-but-skipped', { failing: NEVER_TAKEN, diagnosis: 'redelivered-but-skipped' }, BOTH),
  broken('stale-lock', { failing: NEVER_TAKEN, diagnosis: 'stale-lock' }),
  broken('stale-lock-row', { failing: NEVER_TAKEN, diagnosis: 'stale-lock' }, BOTH),
  broken('stale-lock-skipped', { failing: NEVER_TAKEN, diagnosis: 'redelivered-but-skipped' }),
  broken('retry-in-memory', {
    failing: [...NEVER_TAKEN, 'backoff-honoured'],
    diagnosis: 'retry-in-memory',
  }),
  broken('group-waits-for-the-dead', {
    failing: ['reached-terminal'],
    diagnosis: 'group-waits-for-the-dead',
  }),
  broken('slot-left-behind', { failing: ['witnesses-unharmed'], diagnosis: 'slot-left-behind' }),
  broken('stuck-after-pickup', { failing: ['reached-terminal'], diagnosis: 'stuck-after-pickup' }),
  broken('deleted-at-boot', { failing: ['job-persisted'], diagnosis: 'deleted-at-boot' }, BOTH),
  broken('failed-at-boot', { failing: ['terminal-is-final'], diagnosis: 'failed-at-boot' }),
  broken('failed-for-good-at-boot', { failing: ['same-outcome'], diagnosis: 'failed-at-boot' }),
  broken('failed-on-shutdown', { failing: ['same-outcome'], diagnosis: 'failed-on-shutdown' }),
  broken('wrote-after-end', { failing: ['terminal-is-final'], diagnosis: 'wrote-after-end' }),
  broken('recovered-twice', { failing: ['no-duplicate-jobs'], diagnosis: 'recovered-twice' }),
  broken('resumed-as-new-job', { failing: ['no-duplicate-jobs'], diagnosis: 'resumed-as-new-job' }),
  broken('started-at-reset', { failing: ['timestamps-preserved'], diagnosis: 'started-at-reset' }, BOTH),
  broken('progress-reset', { failing: ['progress-monotonic'], diagnosis: 'progress-reset' }),
  broken('reset-at-boot', {
    failing: ['progress-monotonic', 'timestamps-preserved'],
    diagnosis: 'reset-at-boot',
  }),
  broken('restarts-burn-retries', {
    failing: ['retries-accounted', 'same-outcome'],
    diagnosis: 'restarts-burn-retries',
  }),
  broken('recovery-hit-finished-jobs', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'recovery-hit-finished-jobs',
  }),
];

export const CELERY_ROWS: readonly CorpusRow[] = [...CORRECT, ...BROKEN].flat();
