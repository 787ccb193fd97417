/** Scenarios of the user's own, and the choice of one. */
import { usageError } from '../core/errors.ts';
import { EVERY_SCENARIO, IMPLEMENTED_SCENARIOS, SCENARIO_NAMES } from '../core/scenario-names.ts';
import { notAvailable } from './available.ts';
import { unknownValue } from './choice.ts';
import { DEFAULTS } from './defaults.ts';
import { parseDuration, parseTimeout } from './durations.ts';
import { fromConfig, fromFlag } from './given.ts';
import type { Sources } from './given.ts';
import type { CheckedConfig } from './schema.ts';
import type { ScenarioStep } from './settings.ts';

type CheckedStep = NonNullable<CheckedConfig['scenarios']>[string][number];
type UserScenarios = Readonly<Record<string, readonly ScenarioStep[]>>;

/** @throws UserError `scenario-taken` for the name of a built-in one, `invalid-scenario` for a step that is none. */
export function userScenarios(sources: Sources): UserScenarios {
  const scenarios: Record<string, readonly ScenarioStep[]> = {};
  for (const [name, steps] of Object.entries(sources.config.scenarios ?? {})) {
    const where = `scenarios[${JSON.stringify(name)}]`;
    if (name === EVERY_SCENARIO || SCENARIO_NAMES.some((builtIn) => builtIn === name)) {
      throw usageError(
        'scenario-taken',
        `${where} in ${sources.configName} has the name of a built-in scenario`,
        `call it something else, such as "my-${name}"`,
      );
    }
    const read = steps.map((step, index) => readStep(step, `${where}[${index}] in ${sources.configName}`));
    if (!read.some((step) => 'stop' in step)) {
      throw usageError(
        'invalid-scenario',
        `${where} in ${sources.configName} never stops a worker, so it proves nothing`,
        "add a step such as { stop: 'SIGKILL' }",
      );
    }
    scenarios[name] = read;
  }
  return scenarios;
}

/** @throws UserError `not-available` for a scenario of a later version, `unknown-value` for one that is none. */
export function chosenScenario(sources: Sources, own: UserScenarios): string {
  const given =
    fromFlag(sources, '--scenario', sources.flags.scenario) ??
    fromConfig(sources, 'scenario', sources.config.scenario);
  if (given === undefined) return DEFAULTS.scenario;
  const { value, from } = given;
  const known = value === EVERY_SCENARIO || IMPLEMENTED_SCENARIOS.some((name) => name === value);
  if (known || Object.hasOwn(own, value)) return value;
  if (SCENARIO_NAMES.some((name) => name === value)) {
    throw notAvailable(from, value, [...IMPLEMENTED_SCENARIOS, ...Object.keys(own)]);
  }
  throw unknownValue(from, value, [...SCENARIO_NAMES, EVERY_SCENARIO, ...Object.keys(own)]);
}

function readStep(step: CheckedStep, where: string): ScenarioStep {
  const { stop, reach, grace, wait, start } = step;
  const kinds = [stop, wait, start].filter((part) => part !== undefined).length;
  if (kinds !== 1 || (stop === undefined && (reach !== undefined || grace !== undefined))) {
    throw usageError(
      'invalid-scenario',
      `${where} is no single step`,
      "a step is { stop: 'SIGTERM', reach: 'process', grace: '5s' }, { wait: '2s' } or { start: true }",
    );
  }
  if (stop !== undefined) {
    return {
      stop,
      reach: reach ?? (stop === 'SIGKILL' ? 'tree' : 'process'),
      graceMs: grace === undefined ? null : parseDuration(grace, `grace of ${where}`),
    };
  }
  return wait === undefined ? { start: true } : { waitMs: parseTimeout(wait, `wait of ${where}`) };
}
