/** Who came in the place of the struck worker. */
import type { RestartFacts } from './restart.ts';
import { isSeenItself } from './take-over.ts';

export interface Newcomer {
  readonly incarnation: number;
  readonly atMs: number;
}

/** A new connection alone names nobody: where no new worker was seen, it may be anybody's. */
export function newcomerOf({ successor, takeOver, successorDied }: RestartFacts): Newcomer | undefined {
  const seen =
    takeOver !== undefined && isSeenItself(takeOver.attribution)
      ? { incarnation: takeOver.attribution.incarnation, atMs: takeOver.version.atMs }
      : undefined;
  return successor ?? seen ?? successorDied;
}

/**
 * The user's own command was to start a worker, and none was seen: a job that nobody takes says nothing then. What the
 * harness starts is seen, and one that does not come up is a broken one.
 */
export function hasNobodyCome(facts: RestartFacts): boolean {
  return facts.by === 'command' && newcomerOf(facts) === undefined;
}
