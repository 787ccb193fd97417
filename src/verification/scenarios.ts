/** The scenario of a run: one of the built-in ones, or one that the user made. */
import type { ScenarioStep as UserStep, Settings } from '../config/settings.ts';
import { usageError } from '../core/errors.ts';
import { scenarioNamed, SCENARIOS, type Scenario, type ScenarioStep } from '../core/scenario.ts';

/** @throws UserError `unknown-scenario` */
export function scenarioOf(settings: Settings): Scenario {
  const steps = settings.scenarios[settings.scenario];
  if (steps !== undefined) return userScenario(settings.scenario, steps);
  const builtIn = scenarioNamed(settings.scenario);
  if (builtIn !== undefined) return builtIn;
  throw usageError(
    'unknown-scenario',
    `--scenario ${settings.scenario} is not known`,
    `name one of ${Object.keys(SCENARIOS).join(', ')}`,
  );
}

/** A stop waits for the exit of whom it reaches; one that is not SIGKILL lets the worker finish its job first. */
function userScenario(name: string, steps: readonly UserStep[]): Scenario {
  return {
    name,
    title: name,
    polite: steps.some((step) => 'stop' in step && step.stop !== 'SIGKILL'),
    steps: steps.flatMap((step): readonly ScenarioStep[] => {
      if ('waitMs' in step) return [{ kind: 'wait', ms: step.waitMs }];
      if ('start' in step) return [{ kind: 'start' }];
      return [
        { kind: 'signal', signal: step.stop, reach: step.reach },
        step.reach === 'child'
          ? { kind: 'await-children', thenKillAfterMs: step.graceMs }
          : { kind: 'await-exit', thenKillAfterMs: step.graceMs },
      ];
    }),
  };
}
