import { assert, boolean, double, integer, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Due } from '../../core/event.ts';
import { brokerState, estimateRecovery, type MessageFacts } from './stalled.ts';

const ACTIVE: MessageFacts = {
  state: 'active',
  paused: false,
  owner: 'token',
  lockUntilMs: null,
  marked: false,
  readyAtMs: null,
  takenAtMs: null,
  nextLookMs: 0,
  intervalMs: 30_000,
  deliveries: 1,
  stalls: 0,
  failedReason: null,
  messages: 1,
  looked: true,
  waitsForChildren: false,
};

describe('due of an active job', () => {
  it('is the end of the lock for a marked job whose throttle ends earlier', () => {
    expect(due({ marked: true, lockUntilMs: 900, nextLookMs: 400 }, 100)).toEqual({ kind: 'at', atMs: 900 });
  });

  it('is the end of the throttle for a marked job whose lock ends earlier', () => {
    expect(due({ marked: true, lockUntilMs: 400, nextLookMs: 900 }, 100)).toEqual({ kind: 'at', atMs: 900 });
  });

  it('needs one look more for a job that is not marked', () => {
    expect(due({ lockUntilMs: 29_000, nextLookMs: 20_000 }, 0)).toEqual({ kind: 'at', atMs: 50_000 });
  });

  it('is never in the past', () => {
    expect(due({ marked: true, lockUntilMs: null, nextLookMs: 0 }, 77_000)).toEqual({
      kind: 'at',
      atMs: 77_000,
    });
  });

  it('is unknown where the interval is needed and not known', () => {
    expect(due({ intervalMs: null }, 0)).toEqual({ kind: 'unknown' });
    expect(due({ marked: true, nextLookMs: null }, 0)).toEqual({ kind: 'unknown' });
  });
});

it('tells when it was handed out, and that its queue is paused', () => {
  expect(brokerState({ ...ACTIVE, takenAtMs: 41.6 }, 0).facts).toEqual({ takenAtMs: 42 });
  expect(brokerState({ ...ACTIVE, paused: true }, 0).facts).toEqual({ paused: true });
  expect(brokerState(ACTIVE, 0)).not.toHaveProperty('facts');
});

describe('due of other states', () => {
  it.each([
    [{ state: 'waiting' }, { kind: 'now' }],
    [{ state: 'waiting', paused: true }, { kind: 'unknown' }],
    [
      { state: 'delayed', readyAtMs: 5 },
      { kind: 'at', atMs: 5 },
    ],
    [{ state: 'delayed' }, { kind: 'unknown' }],
    [{ state: 'ended' }, { kind: 'never' }],
    [{ state: 'dead' }, { kind: 'never' }],
    [{ state: 'gone' }, { kind: 'never' }],
  ] as const)('%o', (facts, expected) => {
    expect(due(facts, 1)).toEqual(expected);
  });
});

describe('the estimate', () => {
  it("is the measured minute of BullMQ's defaults, and a margin", () => {
    const estimate = estimateRecovery({ ...ACTIVE, lockUntilMs: 29_800, nextLookMs: 29_700 }, 0);
    expect(estimate).toEqual({
      atMostMs: 61_000,
      because:
        "The holder's lock ends in 29.8 s, and stalled jobs are looked for every 30.0 s: one look marks the job, the next hands it out.",
    });
  });

  it('names the default where nothing tells the interval', () => {
    const { atMostMs, because } = estimateRecovery({ ...ACTIVE, intervalMs: null, nextLookMs: null }, 0);
    expect(atMostMs).toBe(61_000);
    expect(because).toContain("BullMQ's default");
  });

  it('warns that a job that has stalled before may be failed', () => {
    expect(estimateRecovery({ ...ACTIVE, stalls: 1 }, 0).because).toContain('maxStalledCount');
    expect(estimateRecovery(ACTIVE, 0).because).not.toContain('maxStalledCount');
  });

  it.each(['ended', 'dead', 'gone'] as const)('is none for a message that is %s', (state) => {
    expect(estimateRecovery({ ...ACTIVE, state }, 0).atMostMs).toBeNull();
  });
});

it('holds for every replacement: never before due, never after the estimate', () => {
  const facts = record({
    lockLeftMs: integer({ min: 0, max: 90_000 }),
    marked: boolean(),
    intervalMs: integer({ min: 10, max: 60_000 }),
    // The throttle is never longer than the interval that it was set with.
    throttle: double({ min: 0, max: 1, noNaN: true }),
    readyMs: integer({ min: 0, max: 200_000 }),
  });
  assert(
    property(facts, ({ lockLeftMs, marked, intervalMs, throttle, readyMs }) => {
      const nextLookMs = Math.floor(throttle * intervalMs);
      const shown = { ...ACTIVE, marked, intervalMs, nextLookMs, lockUntilMs: lockLeftMs };
      const handedOutMs = simulate({ lockLeftMs, marked, intervalMs, nextLookMs, readyMs });
      const foretold = due(shown, 0);
      const { atMostMs } = estimateRecovery(shown, 0);
      expect(handedOutMs).toBeGreaterThanOrEqual(foretold.kind === 'at' ? foretold.atMs : Infinity);
      expect(handedOutMs - readyMs).toBeLessThanOrEqual(atMostMs ?? -1);
    }),
    { numRuns: 2_000 },
  );
});

function due(facts: Partial<MessageFacts>, nowMs: number): Due {
  return brokerState({ ...ACTIVE, ...facts }, nowMs).due;
}

/** The script of BullMQ's stalled check, called by one worker at its start and every interval after. */
function simulate(given: {
  readonly lockLeftMs: number;
  readonly marked: boolean;
  readonly intervalMs: number;
  readonly nextLookMs: number;
  readonly readyMs: number;
}): number {
  let { marked, nextLookMs } = given;
  for (let nowMs = given.readyMs; ; nowMs += given.intervalMs) {
    if (nowMs < nextLookMs) continue;
    nextLookMs = nowMs + given.intervalMs;
    if (marked && nowMs >= given.lockLeftMs) return nowMs;
    marked = true;
  }
}
