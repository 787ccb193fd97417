import { expect, test } from 'vitest';
import { isAfter } from './history.ts';

test('an event is after those before it, not after itself', () => {
  expect(isAfter({ seq: 2 }, { seq: 1 })).toBe(true);
  expect(isAfter({ seq: 1 }, { seq: 1 })).toBe(false);
  expect(isAfter({ seq: 1 }, { seq: 2 })).toBe(false);
});

test('nothing is after what never was', () => {
  expect(isAfter({ seq: 1 }, undefined)).toBe(false);
});
