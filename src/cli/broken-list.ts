/** What `demo --broken list` prints: every bundled broken worker, a line each, and the scenarios that are theirs alone. */
import { BROKEN_BULLMQ } from '../../fixtures/broken-workers/defects/bullmq.ts';
import { BROKEN_CELERY } from '../../fixtures/broken-workers/defects/celery.ts';
import type { BrokenWorker } from '../../fixtures/broken-workers/defects/defect.ts';
import { BROKEN_TABLE } from '../../fixtures/broken-workers/defects/table.ts';
import type { UserScenarioStep } from '../config/define-config.ts';
import { parseDuration } from '../config/durations.ts';
import { describeDuration } from '../reporters/durations.ts';
import { quote } from './shell-words.ts';

/** In place of a name. */
export const LIST_BROKEN = 'list';

/** By target. */
export const BROKEN_WORKERS: Readonly<Record<string, readonly BrokenWorker[]>> = {
  bullmq: BROKEN_BULLMQ,
  celery: BROKEN_CELERY,
  table: BROKEN_TABLE,
};

const TITLES: Readonly<Record<string, string>> = {
  bullmq: 'BullMQ, on PostgreSQL or with --queue-backend redis: verify-restart demo --broken <name>',
  celery: 'Celery: verify-restart demo --target celery --broken <name>',
  table: 'a job table that is its own queue: verify-restart demo --target table --broken <name>',
};

/** @param target the one whose workers are listed; `null`: all */
export function listBroken(target: string | null): string {
  return Object.entries(BROKEN_WORKERS)
    .filter(([name]) => target === null || name === target)
    .map(([name, workers]) =>
      [TITLES[name] ?? name, ...workerLines(workers), ...scenarioLines(workers)].join('\n'),
    )
    .join('\n\n');
}

function workerLines(workers: readonly BrokenWorker[]): readonly string[] {
  // As it has to be typed.
  const names = workers.map(({ name }) => quote(name));
  const width = Math.max(...names.map((name) => name.length));
  return workers.map(({ note, scenario, strikeAt }, index) => {
    const when = scenario === 'crash' && strikeAt === 'progress' ? '' : ` (${scenario} at ${strikeAt})`;
    return `  ${names[index]?.padEnd(width)}  ${note}${when}`;
  });
}

function scenarioLines(workers: readonly BrokenWorker[]): readonly string[] {
  const scenarios = new Map(workers.flatMap(({ config }) => Object.entries(config?.scenarios ?? {})));
  if (scenarios.size === 0) return [];
  const width = Math.max(...[...scenarios.keys()].map((name) => name.length));
  return [
    'Scenarios of their own, and what they do to the worker:',
    ...[...scenarios].map(([name, steps]) => `  ${name.padEnd(width)}  ${describeSteps(steps)}`),
  ];
}

type Reach = NonNullable<Extract<UserScenarioStep, { readonly stop: unknown }>['reach']>;

const WHOM: Readonly<Record<Reach, string>> = {
  tree: 'all of it',
  group: 'its process group',
  process: 'its main process alone',
  child: 'its children alone',
};

/** `SIGKILL to all of it, a new one, 2.5 s later SIGKILL to all of it` */
function describeSteps(steps: readonly UserScenarioStep[]): string {
  let later = '';
  return steps
    .flatMap((step) => {
      if ('wait' in step) {
        later = `${describeDuration(parseDuration(step.wait, 'a wait'))} later `;
        return [];
      }
      const told = `${later}${'start' in step ? 'a new one is started' : describeStop(step)}`;
      later = '';
      return [told];
    })
    .join(', ');
}

function describeStop({ stop, reach, grace }: Extract<UserScenarioStep, { readonly stop: unknown }>): string {
  const killed = grace === undefined ? '' : ` and SIGKILL ${grace} later`;
  return `${stop} to ${WHOM[reach ?? (stop === 'SIGKILL' ? 'tree' : 'process')]}${killed}`;
}
