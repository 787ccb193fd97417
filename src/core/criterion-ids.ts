/** The criteria by id: what a configuration may name. The first five are the mission's own. */
export const CRITERION_IDS = [
  'job-persisted',
  'picked-up-again',
  'reached-terminal',
  'timestamps-preserved',
  'no-duplicate-jobs',
  'restart-observed',
  'progress-monotonic',
  'single-writer',
  'terminal-is-final',
  'retries-accounted',
  'backoff-honoured',
  'effects-exactly-once',
  'queue-drained',
  'same-outcome',
  'witnesses-unharmed',
] as const;
export type KnownCriterionId = (typeof CRITERION_IDS)[number];
