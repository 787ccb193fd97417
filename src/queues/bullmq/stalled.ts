/**
 * When BullMQ takes a job back from a worker that died: a pure reading of what its store shows.
 *
 * Every living worker looks for stalled jobs when it starts and then every `stalledInterval`; all workers of a queue
 * share one throttle, so a look *counts* only if the last one that counted is an interval ago. A look that counts
 * first hands out the jobs that the look before had *marked* and whose lock has ended, then marks every active job;
 * a renewal of the lock takes the mark away. (BullMQ 6.7: commands/moveStalledJobsToWait-9.lua, and
 * move_stalled_jobs_to_wait in postgres/migrations/0002_functions.sql.)
 */
import type { BrokerState, Due, MessageState } from '../../core/event.ts';
import type { RecoveryEstimate } from '../queue.ts';

/** One message as the store shows it. Times are `atMs` of the run. */
export interface MessageFacts {
  readonly state: MessageState;
  /** The queue hands nothing out. */
  readonly paused: boolean;
  readonly owner: string | null;
  /** `null`: there is no lock, or it has ended. */
  readonly lockUntilMs: number | null;
  /** The last look marked it, and the lock was not renewed since. */
  readonly marked: boolean;
  /** When a delayed message becomes ready. */
  readonly readyAtMs: number | null;
  /** When it was last handed out, by the clock of the worker that took it. `null`: never, or it is gone. */
  readonly takenAtMs: number | null;
  /** It is a parent whose children are not done: it becomes ready with the last of them. */
  readonly waitsForChildren: boolean;
  /** No look counts before this. `null`: the store does not tell. */
  readonly nextLookMs: number | null;
  /** The workers' stalledInterval. `null`: nothing has told it yet. */
  readonly intervalMs: number | null;
  /** A look has been noted. */
  readonly looked: boolean;
  readonly deliveries: number | null;
  readonly stalls: number | null;
  readonly failedReason: string | null;
  readonly messages: number | null;
}

/** BullMQ's default stalledInterval. */
const DEFAULT_INTERVAL_MS = 30_000;
/** Timers that come late, and the time to fetch the job once it waits again (measured: 0.3 s and less). */
const MARGIN_MS = 1_000;

export function brokerState(facts: MessageFacts, nowMs: number): BrokerState {
  return {
    state: facts.state,
    owner: facts.owner,
    lockUntilMs: facts.lockUntilMs,
    due: dueOf(facts, nowMs),
    deliveries: facts.deliveries,
    stalls: facts.stalls,
    failedReason: facts.failedReason,
    messages: facts.messages,
    ...queueFacts(facts),
  };
}

function queueFacts({ waitsForChildren, paused, takenAtMs }: MessageFacts): Pick<BrokerState, 'facts'> {
  const told = {
    ...(waitsForChildren ? { waitsForChildren } : {}),
    ...(paused ? { paused } : {}),
    ...(takenAtMs === null ? {} : { takenAtMs: Math.round(takenAtMs) }),
  };
  return Object.keys(told).length === 0 ? {} : { facts: told };
}

/**
 * For an active job: the earliest look that can hand it out, if its lock is not renewed any more and a worker is
 * alive to look; while its holder lives, both move on. `unknown` where that would be a guess.
 */
function dueOf(facts: MessageFacts, nowMs: number): Due {
  switch (facts.state) {
    case 'waiting':
      return facts.paused ? { kind: 'unknown' } : { kind: 'now' };
    case 'delayed':
      return facts.readyAtMs === null ? { kind: 'unknown' } : { kind: 'at', atMs: facts.readyAtMs };
    case 'active': {
      if (facts.nextLookMs === null) return { kind: 'unknown' };
      const lockEnd = Math.max(nowMs, facts.lockUntilMs ?? nowMs);
      const nextLook = Math.max(nowMs, facts.nextLookMs);
      if (facts.marked) return { kind: 'at', atMs: Math.max(lockEnd, nextLook) };
      if (facts.intervalMs === null) return { kind: 'unknown' };
      return { kind: 'at', atMs: Math.max(lockEnd, nextLook + facts.intervalMs) };
    }
    case 'ended':
    case 'dead':
    case 'gone':
      return { kind: 'never' };
    case 'unknown':
      return { kind: 'unknown' };
  }
}

/**
 * The longest time from the moment a replacement is ready until it is handed the job, if the holder is gone and the
 * replacement has the interval of the workers before it. Holds for a replacement that is ready now or later.
 */
export function estimateRecovery(facts: MessageFacts, nowMs: number): RecoveryEstimate {
  switch (facts.state) {
    case 'waiting':
      return facts.paused
        ? { atMostMs: null, because: 'The queue is paused: nothing is handed out until it is resumed.' }
        : { atMostMs: MARGIN_MS, because: 'The job waits in the queue: the next free worker is handed it.' };
    case 'delayed':
      if (facts.readyAtMs === null) {
        return { atMostMs: null, because: 'The job waits for its children.' };
      }
      return {
        atMostMs: Math.max(0, facts.readyAtMs - nowMs) + MARGIN_MS,
        because: `The job is delayed for another ${seconds(Math.max(0, facts.readyAtMs - nowMs))}.`,
      };
    case 'active':
      return estimateStalled(facts, nowMs);
    case 'ended':
    case 'dead':
    case 'gone':
      return { atMostMs: null, because: 'The queue keeps no unfinished message of the job.' };
    case 'unknown':
      return { atMostMs: null, because: 'The job is in none of the states that BullMQ knows.' };
  }
}

function estimateStalled(facts: MessageFacts, nowMs: number): RecoveryEstimate {
  const interval = facts.intervalMs ?? DEFAULT_INTERVAL_MS;
  const lockLeft = Math.max(0, (facts.lockUntilMs ?? nowMs) - nowMs);
  // The replacement looks at its start; if the throttle is still on, its next look counts.
  const throttled = facts.nextLookMs === null || facts.nextLookMs > nowMs;
  const firstLook = throttled ? interval : 0;
  const afterLock = lockLeft > 0 ? lockLeft + interval : 0;
  const atMostMs = Math.max(facts.marked ? firstLook : firstLook + interval, afterLock) + MARGIN_MS;

  const sentences = [
    `${lockLeft > 0 ? `The holder's lock ends in ${seconds(lockLeft)}` : 'The lock has ended'}, and ${
      facts.intervalMs === null
        ? `how often stalled jobs are looked for is not stored (BullMQ's default: every ${seconds(interval)})`
        : `stalled jobs are looked for every ${seconds(interval)}`
    }: ${facts.marked ? 'the job is marked already, one look is enough.' : 'one look marks the job, the next hands it out.'}`,
  ];
  if ((facts.stalls ?? 0) > 0) {
    sentences.push(
      `It has stalled ${facts.stalls === 1 ? 'once' : `${facts.stalls} times`} before: with BullMQ's default maxStalledCount of 1 it is failed then.`,
    );
  }
  return { atMostMs, because: sentences.join(' '), ...(facts.looked ? {} : { guessed: true }) };
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
