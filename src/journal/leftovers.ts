/** What a run made and has not removed: read from its journal, by the run itself and by `cleanup` alike. */
import type { Event, Thing } from '../core/event.ts';

/** @returns the things to remove, the last made first */
export function leftovers(events: readonly Event[]): readonly Thing[] {
  const left = new Map<string, Thing>();
  for (const event of events) {
    if (event.kind === 'made') left.set(keyOf(event.thing), event.thing);
    if (event.kind === 'removed' || event.kind === 'kept') left.delete(keyOf(event.thing));
  }
  return [...left.values()].toReversed();
}

function keyOf(thing: Thing): string {
  return JSON.stringify(Object.entries(thing).sort(([a], [b]) => a.localeCompare(b)));
}
