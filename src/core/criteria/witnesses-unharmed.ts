/**
 * The job that had ended before the strike was not touched again; the one that waited behind ran to its end, once.
 *
 * Why: recovery code hits the wrong jobs: it fails or resets rows that ended long ago, and slots or locks of the dead
 * keep everybody else from running.
 * What would fool it: looking at the subject alone, which may be perfect while its neighbours are not; and taking a
 * neighbour for stuck that nobody waited for: it has as long as the subject has, after a restart that was seen.
 */
import { describeDue } from '../broker-words.ts';
import { isDeliveredSince } from '../deliveries.ts';
import { isTerminal } from '../event.ts';
import { effectsGoneSince, effectsOf } from '../effects.ts';
import { finding, type Finding } from '../findings.ts';
import {
  changesOf,
  hasEnded,
  isAfter,
  isBefore,
  jobInRole,
  rowBefore,
  snapshotsOf,
  unmappedStatus,
  type History,
  type Recorded,
} from '../history.ts';
import { hasNobodyCome } from '../newcomer.ts';
import { dueAfterEnd } from '../redelivery.ts';
import type { RestartFacts } from '../restart.ts';
import { judgement, type Criterion } from './criterion.ts';
import { changedRoles } from './terminal-is-final.ts';

export const witnessesUnharmed: Criterion = {
  id: 'witnesses-unharmed',
  title: 'its neighbours unharmed',
  judge(history, facts) {
    const ended = jobInRole(history, 'witness-ended');
    const waiting = jobInRole(history, 'witness-waiting');
    if (ended === undefined && waiting === undefined) return judgement('skipped', finding('no-witnesses'));
    if (facts.begun === undefined) return judgement('inconclusive', finding('no-restart'));
    const problems = [...harmToEnded(history, ended, facts.begun), ...harmToWaiting(history, waiting, facts)];
    if (problems.length > 0) return judgement('failed', ...problems);
    const status = waiting === undefined ? undefined : unendedStatus(history, waiting);
    if (status !== undefined) {
      if (unmappedStatus(rowBefore(changesOf(history, waiting))) !== undefined) {
        return judgement('inconclusive', finding('status-not-mapped', { status }));
      }
      const stuck = finding('waiting-witness-stuck', { status });
      const due =
        (facts.terminal === undefined ? dueAfterEnd(history, facts) : undefined) ??
        dueOfWaiting(history, waiting, facts);
      // What keeps the subject from being due yet keeps the one behind it too.
      if (due !== undefined) return judgement('inconclusive', stuck, finding('not-due-yet', { due }));
      if (hasNobodyCome(facts)) return judgement('inconclusive', stuck, finding('no-new-worker'));
      return wasAwaited(history, facts)
        ? judgement('failed', stuck)
        : judgement('inconclusive', finding('waiting-witness-not-awaited', { status }));
    }
    return judgement('passed', finding('witnesses-well', { waited: waiting === undefined ? 0 : 1 }));
  },
};

function harmToEnded(history: History, job: string | undefined, begun: Recorded): readonly Finding[] {
  const changes = changesOf(history, job);
  const end = changes.find(hasEnded);
  if (end === undefined) return [];
  // What its own worker still wrote before the restart began is no recovery's doing.
  const atStrike = rowBefore(changes, begun.seq) ?? end.values;
  const touched = changes.find(
    (version) =>
      isBefore(end, version) &&
      isBefore(begun, version) &&
      (version.values === null || changedRoles(atStrike, version.values).length > 0),
  );
  const effects = effectsOf(history, job);
  return [
    ...(touched === undefined
      ? []
      : [
          finding('ended-witness-touched', {
            before: end.values.status ?? '',
            after: touched.values?.status ?? 'gone',
          }),
        ]),
    ...(effects?.repeated ?? []).map(({ item, count }) => finding('effect-repeated', { item, count })),
    ...effectsGoneSince(history, job ?? '', begun).map((item) =>
      finding('ended-witness-effect-gone', { item }),
    ),
  ];
}

/** The dead worker had fetched it along with the subject, and the broker gives it back later than that. */
function dueOfWaiting(history: History, job: string | undefined, { gone }: RestartFacts): string | undefined {
  const [then, ...others] = snapshotsOf(history, job).filter((look) => isAfter(look, gone));
  const now = others.at(-1);
  if (then?.state !== 'active' || now?.state !== 'active') return undefined;
  const delivered = isDeliveredSince(then, now) ?? now.owner !== null;
  if (delivered) return undefined;
  const { due, atMs } = now;
  switch (due.kind) {
    case 'now':
    case 'never':
    case 'unknown':
      return undefined;
    case 'next-boot':
      return describeDue(due, atMs);
    case 'at':
      return due.atMs > atMs ? describeDue(due, atMs) : undefined;
  }
}

/** It had as long as the subject had: to the end of that, or to the end of the time. */
function wasAwaited(history: History, facts: RestartFacts): boolean {
  const timedOut = history.of('timeout:reached').some(({ timeout }) => timeout === 'terminal');
  return facts.observedToEnd && facts.gone !== undefined && (facts.end !== undefined || timedOut);
}

/** The status of a job that has not ended; `undefined`: it has. */
function unendedStatus(history: History, job: string): string | undefined {
  const now = changesOf(history, job).at(-1);
  return hasEnded(now) ? undefined : (now?.values?.status ?? 'unknown');
}

/** The waiting one ended otherwise, though before the strike the other completed: so does every job since, perhaps. */
export function isWaitingSpoilt(history: History): boolean {
  const now = changesOf(history, jobInRole(history, 'witness-waiting')).at(-1);
  return hasEnded(now) && now.values.state !== 'completed' && didOtherComplete(history);
}

/** What a worker that was not restarted makes of one file: the first witness, before the strike. */
function didOtherComplete(history: History): boolean {
  const changes = changesOf(history, jobInRole(history, 'witness-ended'));
  return changes.some(({ values }) => values?.state === 'completed');
}

function harmToWaiting(history: History, job: string | undefined, facts: RestartFacts): readonly Finding[] {
  const changes = changesOf(history, job);
  const now = changes.at(-1)?.values;
  if (now === null) return [finding('waiting-witness-gone')];
  if (now === undefined) return [];
  const ends = changes.filter((version, index) => hasEnded(version) && !hasEnded(changes[index - 1]));
  if (!isTerminal(now.state)) {
    const before = ends.at(-1)?.values?.status;
    return before == null ? [] : [finding('waiting-witness-reopened', { before, now: now.status ?? '' })];
  }
  const effects = effectsOf(history, job);
  return [
    // Its file can be read: where the subject completes, or the other witness did before the strike, so does it.
    ...(now.state !== 'completed' && (facts.end?.values.state === 'completed' || didOtherComplete(history))
      ? [finding('waiting-witness-failed', { state: now.state, error: now.error ?? '' })]
      : []),
    ...(ends.length > 1 ? [finding('waiting-witness-twice', { times: ends.length })] : []),
    ...(effects?.repeated ?? []).map(({ item, count }) => finding('effect-repeated', { item, count })),
    ...(now.state === 'completed' ? (effects?.missing ?? []) : []).map((item) =>
      finding('effect-missing', { item }),
    ),
  ];
}
