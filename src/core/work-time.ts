/**
 * Whether the rest of a job was done faster than anybody can have done it.
 *
 * A handler that is handed the job again, finds it in processing and marks it completed writes what an honest one
 * writes. What tells them apart without a look at the effects is time: how long an item takes is known from the worker
 * that was struck. Several items in half of the time of one is no work, also of a worker that does them side by side.
 */
import { isDeliveredSince } from './deliveries.ts';
import { effectsOf } from './effects.ts';
import type { History, RowVersion } from './history.ts';
import type { RestartFacts } from './restart.ts';
import { itemsBetween } from './take-over.ts';

/** The end claims items that nobody had the time to do, and no effects were counted that would settle it. */
export function isEndTooSoon(history: History, facts: RestartFacts): boolean {
  const { end, begun } = facts;
  if (end?.values?.state !== 'completed' || begun === undefined) return false;
  const effects = effectsOf(history, facts.job);
  if (effects !== undefined && !effects.unknown) return false;
  const itemMs = itemTimeMs(facts, begun.seq);
  const sinceMs = workBeganMs(facts, end, begun.atMs);
  if (itemMs === undefined || sinceMs === undefined) return false;
  return itemsBetween(facts.before, end.values, facts.items) > 1 && end.atMs - sinceMs < itemMs / 2;
}

/** The shortest time per item between two writes of progress before the restart. */
function itemTimeMs(facts: RestartFacts, begunSeq: number): number | undefined {
  let shortestMs: number | undefined;
  let previous: RowVersion | undefined;
  for (const version of facts.changes) {
    if (version.seq > begunSeq || version.values?.state !== 'processing') continue;
    const done = previous === undefined ? 0 : itemsBetween(previous.values, version.values, facts.items);
    if (previous !== undefined && done <= 0) continue;
    if (previous !== undefined) {
      shortestMs = Math.min(shortestMs ?? Number.POSITIVE_INFINITY, (version.atMs - previous.atMs) / done);
    }
    previous = version;
  }
  return shortestMs;
}

/**
 * The last moment in which surely nobody worked on what the end claims: the fault where the old worker ended it, else
 * the last look by which the job was not handed out again. `undefined`: the broker does not tell.
 */
function workBeganMs(facts: RestartFacts, end: RowVersion, begunMs: number): number | undefined {
  if (facts.attribute(end)?.incarnation === facts.struck) return begunMs;
  const { heldByStruck } = facts;
  if (heldByStruck === undefined) return undefined;
  const idle = facts.snapshots.findLast(
    (snapshot) => snapshot.seq < end.seq && isDeliveredSince(heldByStruck, snapshot) === false,
  );
  return idle?.atMs;
}
