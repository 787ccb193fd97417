import { describe, expect, test } from 'vitest';
import { isDeliveredSince, lookAfter } from './deliveries.ts';
import type { BrokerSnapshot, RowVersion } from './history.ts';

function look(seq: number, changes: Partial<BrokerSnapshot> = {}): BrokerSnapshot {
  return {
    kind: 'broker:snapshot',
    job: 'job-1',
    role: 'subject',
    seq,
    atMs: seq * 10,
    state: 'active',
    owner: 'a',
    lockUntilMs: null,
    due: { kind: 'unknown' },
    deliveries: null,
    stalls: null,
    failedReason: null,
    messages: 1,
    ...changes,
  };
}

describe('whether it was handed out once more', () => {
  test('by the count, where both looks have one', () => {
    expect(isDeliveredSince(look(1, { deliveries: 1 }), look(2, { deliveries: 2 }))).toBe(true);
    expect(isDeliveredSince(look(1, { deliveries: 1 }), look(2, { deliveries: 1, owner: 'b' }))).toBe(false);
  });

  test('by the holder, where one of them has none', () => {
    expect(isDeliveredSince(look(1), look(2))).toBe(false);
    expect(isDeliveredSince(look(1), look(2, { owner: 'b' }))).toBe(true);
    expect(isDeliveredSince(look(1, { deliveries: 1 }), look(2, { owner: 'b' }))).toBe(true);
    expect(isDeliveredSince(look(1), look(2, { deliveries: 3 }))).toBe(false);
  });

  test('unknown where one of them names no holder', () => {
    const unnamed = [{ state: 'waiting' }, { owner: null }] as const;
    for (const changes of unnamed) {
      expect(isDeliveredSince(look(1), look(2, changes))).toBeUndefined();
      expect(isDeliveredSince(look(1, changes), look(2))).toBeUndefined();
    }
  });

  test('unknown of a look that was before', () => {
    expect(isDeliveredSince(look(2), look(1, { owner: 'b' }))).toBeUndefined();
  });
});

test('a look that may have begun before the write is not the one after it', () => {
  const looks = [look(1), look(4), look(7)];
  const written = (seq: number, atMs: number): RowVersion => ({ seq, atMs }) as RowVersion;
  expect(lookAfter(looks, written(2, 15))?.seq).toBe(4);
  expect(lookAfter(looks, written(2, 16))?.seq).toBe(7);
  expect(lookAfter(looks, written(5, 69))?.seq).toBeUndefined();
  expect(lookAfter(looks, written(8, 80))).toBeUndefined();
});
