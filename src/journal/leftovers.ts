/** What a run made and has not removed: read from its journal, by the run itself and by `cleanup` alike. */
import type { Event, Thing } from '../core/event.ts';

/** The reason of a `kept` that was asked for. Any other one says why a thing could not be removed, so that it is tried again. */
export const KEPT_ON_PURPOSE = 'asked for with --keep';

/** @returns the things to remove, the last made first */
export function leftovers(events: readonly Event[]): readonly Thing[] {
  const left = new Map<string, Thing>();
  for (const event of events) {
    if (event.kind === 'made') left.set(keyOf(event.thing), event.thing);
    if (event.kind === 'removed' || (event.kind === 'kept' && event.reason === KEPT_ON_PURPOSE))
      left.delete(keyOf(event.thing));
  }
  return [...left.values()].toReversed();
}

function keyOf(thing: Thing): string {
  return JSON.stringify(Object.entries(thing).sort(([a], [b]) => a.localeCompare(b)));
}
