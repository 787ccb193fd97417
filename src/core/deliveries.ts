/** Deliveries as the broker's looks show them: counted, or told apart by who holds the job. */
import { firstSnapshotAfter, type BrokerSnapshot, type RowVersion } from './history.ts';

/**
 * Whether by a look the job was handed out once more than by an earlier one. `undefined`: the broker neither counts
 * nor names its holder.
 */
export function isDeliveredSince(before: BrokerSnapshot, snapshot: BrokerSnapshot): boolean | undefined {
  if (snapshot.seq < before.seq) return undefined;
  if (before.deliveries !== null && snapshot.deliveries !== null) {
    return snapshot.deliveries > before.deliveries;
  }
  if (snapshot.state !== 'active' || snapshot.owner === null) return undefined;
  return before.state === 'active' && before.owner !== null ? snapshot.owner !== before.owner : undefined;
}

/** A look that is recorded with a write may have been taken a moment before it; later than this it was not. */
export const SURELY_LATER_MS = 25;

/** The first look at the broker that surely began after a write was made: looks come one after the other. */
export function lookAfter(
  snapshots: readonly BrokerSnapshot[],
  version: RowVersion,
): BrokerSnapshot | undefined {
  const next = firstSnapshotAfter(snapshots, version.seq);
  if (next === undefined) return undefined;
  return next.atMs - version.atMs >= SURELY_LATER_MS ? next : firstSnapshotAfter(snapshots, next.seq);
}
