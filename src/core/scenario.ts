/** The scenarios: what happens to the worker that holds the job, as data. */
import type { Reach, SignalName } from './event.ts';

export type ScenarioStep =
  | { readonly kind: 'signal'; readonly signal: SignalName; readonly reach: Reach }
  /** Waits until nothing of the worker is left; after `thenKillAfterMs` (`grace`: the worker's own) SIGKILL to the tree, `null`: never. */
  | { readonly kind: 'await-exit'; readonly thenKillAfterMs: number | 'grace' | null }
  /** Waits until the children that got the signal are gone. Their parent lives on; those that it starts in their place are the worker's next incarnation. */
  | { readonly kind: 'await-children'; readonly thenKillAfterMs: number | null }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'start' };

export interface Scenario {
  readonly name: string;
  /** What happens, for people. */
  readonly title: string;
  /** Whether the old worker may finish the job before it leaves (a drain). */
  readonly polite: boolean;
  readonly steps: readonly ScenarioStep[];
}

export const SCENARIOS = {
  crash: {
    name: 'crash',
    title: 'SIGKILL to the whole process tree of the worker, then a new one is started',
    polite: false,
    steps: [
      { kind: 'signal', signal: 'SIGKILL', reach: 'tree' },
      { kind: 'await-exit', thenKillAfterMs: null },
      { kind: 'start' },
    ],
  },
  graceful: {
    name: 'graceful',
    title: "SIGTERM to the worker's main process, its exit is awaited, then a new one is started",
    polite: true,
    steps: [
      { kind: 'signal', signal: 'SIGTERM', reach: 'process' },
      { kind: 'await-exit', thenKillAfterMs: null },
      { kind: 'start' },
    ],
  },
  'graceful-group': {
    name: 'graceful-group',
    title: "SIGTERM to the worker's whole process group, its exit is awaited, then a new one is started",
    polite: true,
    steps: [
      { kind: 'signal', signal: 'SIGTERM', reach: 'group' },
      { kind: 'await-exit', thenKillAfterMs: null },
      { kind: 'start' },
    ],
  },
  deploy: {
    name: 'deploy',
    title:
      'SIGTERM to the main process, SIGKILL to the tree after the grace period, then a new one is started',
    polite: true,
    steps: [
      { kind: 'signal', signal: 'SIGTERM', reach: 'process' },
      { kind: 'await-exit', thenKillAfterMs: 'grace' },
      { kind: 'start' },
    ],
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;

export function scenarioNamed(name: string): Scenario | undefined {
  return Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name as ScenarioName] : undefined;
}
