/** The claims of a job as its row shows them: by the owner or task id that is written, or by the count of pick-ups. */
import type { RowValues } from './event.ts';
import { isBefore, type RowVersion } from './history.ts';
import type { RestartFacts } from './restart.ts';

/** What names whoever works on the job; `null`: nobody, or the table has no such column. */
export function claimIn(values: RowValues | null | undefined): string | null {
  return values?.owner ?? values?.taskId ?? null;
}

/** A claim that took the job from one that had not been given up. */
export interface TakenClaim {
  readonly incarnation: number;
  readonly before: string | null;
  readonly after: string | null;
  /** From the end of the claim that was there until it was taken, by the database's clock; negative: it still ran. `null`: no lease. */
  readonly beforeLeaseMs: number | null;
}

/** Claims by which an incarnation took the job from itself. */
export function claimsWithin(facts: RestartFacts): readonly TakenClaim[] {
  return takenClaims(facts).flatMap(({ claim, from }) => (from === claim.incarnation ? [claim] : []));
}

/** The first claim after an event; `null`: there was none. */
export function firstClaimAfter(facts: RestartFacts, afterSeq: number): TakenClaim | null {
  return takenClaims(facts).find(({ seq }) => seq > afterSeq)?.claim ?? null;
}

function takenClaims(facts: RestartFacts) {
  const taken: { readonly seq: number; readonly from: number | null; readonly claim: TakenClaim }[] = [];
  const counted = facts.changes.some(({ values }) => (values?.attempts ?? 0) > 0);
  for (const [index, version] of facts.changes.entries()) {
    const previous = facts.changes[index - 1];
    if (previous?.values?.state !== 'processing' || version.values?.state !== 'processing') continue;
    // Whoever takes a job that had ended takes it from nobody.
    if (facts.terminal !== undefined && isBefore(facts.terminal, version)) continue;
    if (!isNewClaim(previous.values, version.values, counted)) continue;
    const incarnation = facts.attribute(version)?.incarnation;
    if (incarnation === undefined) continue;
    taken.push({
      seq: version.seq,
      from: holderOf(facts, index - 1, previous.values, counted),
      claim: {
        incarnation,
        before: claimIn(previous.values),
        after: claimIn(version.values),
        beforeLeaseMs: sinceLease(previous.values, version),
      },
    });
  }
  return taken;
}

/** Who took the claim that a version carries, whoever wrote that version: a successor may write before it claims. */
function holderOf(facts: RestartFacts, index: number, values: RowValues, counted: boolean): number | null {
  let taken = index;
  for (let earlier = index - 1; earlier >= 0; earlier -= 1) {
    const before = facts.changes[earlier]?.values;
    if (before?.state !== 'processing' || claimIn(before) !== claimIn(values)) break;
    if (counted && before.attempts !== values.attempts) break;
    taken = earlier;
  }
  const version = facts.changes[taken];
  return (version && facts.attribute(version)?.incarnation) ?? null;
}

/** A row that gave its claim up (an emptied owner, a raised retry count) is free: taking it takes it from nobody. */
function isNewClaim(before: RowValues, now: RowValues, counted: boolean): boolean {
  if (before.owner === null || (before.taskId === null && before.owner === undefined)) return false;
  if (counted) return (now.attempts ?? 0) > (before.attempts ?? 0);
  const claim = claimIn(now);
  return claim !== null && claim !== claimIn(before);
}

function sinceLease(before: RowValues, version: RowVersion): number | null {
  const endMs = Date.parse(before.leaseUntil ?? '');
  return Number.isNaN(endMs) ? null : version.databaseAtMs - endMs;
}
