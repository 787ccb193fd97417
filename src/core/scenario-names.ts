/**
 * The built-in scenarios by name. What each does is in its own file; this list is what a name is checked against,
 * so that a misspelt one is told from one that a later version brings.
 */
export const SCENARIO_NAMES = [
  'crash',
  'graceful',
  'graceful-group',
  'deploy',
  'rolling',
  'kill-parent',
  'crash-loop',
  'outage',
  'freeze',
  'database-disconnect',
  'database-restart',
  'broker-restart',
] as const;
export type KnownScenarioName = (typeof SCENARIO_NAMES)[number];

/** Stands for each scenario in turn; no scenario of its own. */
export const EVERY_SCENARIO = 'all';

/** Those that this version can run. */
export const IMPLEMENTED_SCENARIOS: readonly KnownScenarioName[] = [
  'crash',
  'graceful',
  'graceful-group',
  'deploy',
];
