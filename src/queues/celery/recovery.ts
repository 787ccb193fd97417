/**
 * When Celery hands a job out again that its worker has taken with it: a pure reading of what the broker shows.
 *
 * Redis: kombu notes in `unacked_index` when it delivered a message. Whoever looks puts those back that are older
 * than the visibility timeout. A worker looks when it starts and at every tenth of its ticks of ten seconds, the first
 * of which may count the start: measured, 90 to 101 s after the start and then every 100 s. So the visibility timeout
 * is when a job becomes due, not when it comes. (kombu/transport/redis.py `QoS.restore_visible`,
 * `Transport.register_with_event_loop`.)
 * RabbitMQ: as soon as the connection of its holder has ended.
 */
import type { Due } from '../../core/event.ts';
import type { RecoveryEstimate } from '../queue.ts';

/** kombu's default. */
export const DEFAULT_VISIBILITY_TIMEOUT_MS = 3_600_000;
const LOOK_INTERVAL_MS = 100_000;
/** Ticks that come late, and the age of a connection, which Redis tells in whole seconds. */
const LOOK_MARGIN_MS = 2_000;
/** An idle worker asks anew every second. */
const PICK_UP_MARGIN_MS = 2_000;

/** Times are `atMs` of the run. */
export interface Unacknowledged {
  readonly deliveredAtMs: number;
  readonly visibilityTimeoutMs: number;
  /** When each worker that is connected now was started, at the latest. */
  readonly workersSinceMs: readonly number[];
}

/** When the message may be put back. */
export function visibleAtMs({ deliveredAtMs, visibilityTimeoutMs }: Unacknowledged): number {
  return deliveredAtMs + visibilityTimeoutMs;
}

/** The first look of a living worker after the visibility timeout; a worker that is started after it does it at once. */
export function dueOf(message: Unacknowledged, nowMs: number): Due {
  const fromMs = Math.max(visibleAtMs(message), nowMs);
  const looks = message.workersSinceMs.map((sinceMs) => nextLookMs(sinceMs, fromMs));
  if (looks.length > 0) return { kind: 'at', atMs: Math.min(...looks) };
  return visibleAtMs(message) > nowMs ? { kind: 'at', atMs: visibleAtMs(message) } : { kind: 'next-boot' };
}

function nextLookMs(sinceMs: number, fromMs: number): number {
  const rounds = Math.max(1, Math.ceil((fromMs - sinceMs) / LOOK_INTERVAL_MS));
  return sinceMs + rounds * LOOK_INTERVAL_MS;
}

/** From now, or from the moment a replacement is ready if it is later. */
export function estimateUnacknowledged(
  message: Unacknowledged,
  nowMs: number,
  told: boolean,
): RecoveryEstimate {
  const leftMs = Math.max(0, visibleAtMs(message) - nowMs);
  const due = dueOf(message, nowMs);
  const byLivingMs = due.kind === 'at' && message.workersSinceMs.length > 0 ? due.atMs - nowMs : Infinity;
  const atMostMs = Math.min(byLivingMs, leftMs + LOOK_INTERVAL_MS) + LOOK_MARGIN_MS + PICK_UP_MARGIN_MS;
  const timeout = `the visibility timeout of ${seconds(message.visibilityTimeoutMs)}${told ? '' : " (kombu's default: no worker has told another)"}`;
  const passed = leftMs === 0 ? `${timeout} has passed` : `${timeout} ends in ${seconds(leftMs)}`;
  return {
    atMostMs,
    because: `The message lies in unacked; ${passed}, and workers look for such messages when they start and then every 90 to 100 s.`,
  };
}

export function estimateWaiting(): RecoveryEstimate {
  return {
    atMostMs: PICK_UP_MARGIN_MS,
    because: 'The job waits in the queue: the next free worker takes it.',
  };
}

/** A worker answers that it is working on the job: it is with somebody who lives. */
export function estimateHeld(host: string, acknowledged: boolean): RecoveryEstimate {
  if (acknowledged)
    return { ...estimateGone(), because: `${host} works on the job and has acknowledged it already.` };
  return { atMostMs: 0, because: `${host} works on the job now.` };
}

export function estimateGone(): RecoveryEstimate {
  return {
    atMostMs: null,
    because: 'The broker keeps nothing of the job: it was acknowledged, so nobody will hand it out again.',
  };
}

export function estimateByConnection(): RecoveryEstimate {
  return {
    atMostMs: PICK_UP_MARGIN_MS,
    because: "RabbitMQ hands the message out again as soon as its holder's connection has ended.",
  };
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(durationMs < 100_000 ? 1 : 0)} s`;
}
